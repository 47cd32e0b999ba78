"""Which rows of a district go into its archive, table by table, and how a row stands there.

Every table is either in `KEPT` or in `LEFT_OUT` with the reason (a house-rule test sees to it), and every row leads to
its district: by `tenant_id`, or over the row that `KEPT` names. Ids stay what they are, because the seals of the ledger
cover them (docs/adr/0031). What a row points to must be in the archive too: `Pointers` holds them to it.
"""

import base64
import binascii
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

from sqlalchemy import Boolean, Column, ColumnElement, Date, Integer, LargeBinary, String, Table, select
from sqlalchemy import Enum as Choice
from sqlmodel import Session
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

import competencies
import lti  # noqa: F401 - its tables are packed too
import rubrics  # noqa: F401 - likewise
from lms_plugin import erasures, inbox, people, platform_events, signing_words  # noqa: F401 - likewise
from lms_plugin.db import Model
from lms_plugin.errors import Refused
from lms_plugin.flow import archive_shapes

_VERSION, _PROGRAMME, _PERSON = (
    ("framework_version_id", "framework_version"),
    ("programme_id", "programme"),
    ("person_id", "person"),
)
_OWN = ("tenant_id", "tenant")
KEPT: dict[str, tuple[str, str]] = {
    "tenant": ("id", "tenant"),
    **dict.fromkeys(
        [
            *("competency_framework", "framework_version", "framework_succession", "rubric_version"),
            *("reference_version", "crosswalk_link", "framework_event"),
            *("org_unit", "person", "identity", "identity_move", "role", "roster_entry", "roster_move", "phrase"),
            *(
                "old_record",
                "stored_file",
                "unit_seal",
                "programme",
                "extension",
                "allocation",
                "submission",
                "review_conflict",
                "review_flag",
            ),
            *("choice_change", "review", "decision", "award", "credit_entry", "ledger_seal", "ledger_draw"),
            *("certificate", "school_batch", "objection", "school_plan", "plan_paper", "training", "attendance"),
            *("transfer", "arrival", "transfer_event", "transfer_package", "transfer_file"),
            *("training_file", "work_statement", "upper_check"),
            *(
                "hours_request",
                "lti_platform",
                "lti_deployment",
                "platform_event",
                "course",
                "lti_line_item",
                "lti_score_delivery",
            ),
            *("lti_context_copy", "erasure", "appeal", "appeal_review", "export_layout", "holiday_year"),
        ],
        _OWN,
    ),
    "competency_point": _VERSION,
    "evidence_requirement": ("point_id", "competency_point"),
    "criterion": ("rubric_version_id", "rubric_version"),
    "criterion_level": ("criterion_id", "criterion"),
    "org_membership": _PERSON,
    **dict.fromkeys(
        [
            *("programme_policy", "programme_event", "certificate_terms", "cohort_place", "exemption", "enrolment"),
            *("selection", "choice_confirmation", "plan_call", "counted_as", "held_hours", "review_quota"),
        ],
        _PROGRAMME,
    ),
    "submission_version": ("submission_id", "submission"),
    "evidence": ("submission_id", "submission"),
    "review_event": ("submission_version_id", "submission_version"),
    "review_summary": ("submission_version_id", "submission_version"),
    "criterion_mark": ("review_id", "review"),
    "allocation_plan": ("allocation_id", "allocation"),
    "mark_before": ("review_id", "review"),
    "gold_item": _PROGRAMME,
    "gold_review": ("gold_item_id", "gold_item"),
    "judged_by": ("submission_version_id", "submission_version"),
    "appeal_point": ("appeal_id", "appeal"),
    "batch_work": ("batch_id", "school_batch"),
    "upper_work": ("check_id", "upper_check"),
    "ledger_draw_event": ("draw_id", "ledger_draw"),
    "certificate_end": ("certificate_id", "certificate"),
    "work_statement_end": ("statement_id", "work_statement"),
    "seal_use": ("certificate_id", "certificate"),
    "work_seal_use": ("statement_id", "work_statement"),
    "plan_event": ("plan_id", "school_plan"),
    "attendance_change": ("attendance_id", "attendance"),
    "course_member": ("course_id", "course"),
    "lti_resource_link": ("deployment_id", "lti_deployment"),
}
"""Table → the column that leads to the row whose district is its own."""

LEFT_OUT: dict[str, str] = {
    "web_session": "who is signed in: secrets of this installation",
    "ticket": "one-time passes: secrets of this installation",
    "invitation": "unused links that give a role: the new installation makes its own",
    "personal_code": "kept under this installation's secret: everybody gets a new one",
    "signing_word": "hashes by which people prove themselves here: everybody sets a new one",
    "sign_in_try": "wrong codes of a day",
    "certificate_bundle": "a ZIP of certificates, made again where it is wanted",
    "tenant_archive": "the packing itself",
    "archive_intake": "how this installation took in districts",
    "job": "what this installation still has to send; it sends it itself",
    "worker_beat": "whether this installation's worker lives",
    "notice": "hints for the officers of today; raised again where their cause is",
    "review_need": "counted anew from reviews and rules",
    "message": "what people are to see to today; acts at the new place tell them anew, and an arrival tells nobody",
    "mail_address": "whoever wants letters from the new place says so there, and confirms the address",
    "letter": "what this installation has sent",
    "case_opening": "who has a work open at this moment",
    "link_request": "a host's question of a moment, with what is the host's own",
    "host_list": "read again from the host",
    "listed_member": "read again from the host",
    "listed_group": "read again from the host",
    "ledger_unsealed": "made anew from the entries that no seal names",
    "lti_access_token": "secrets between this installation and a host",
    "lti_tool_key": "the private keys of this installation",
    "transfer_key": "the private key by which this installation signs what leaves a district",
    "lti_key_set": "a copy of what hosts publish",
    "lti_login_state": "logins under way",
    "lti_launch_log": "the technical log of this installation, kept for some weeks",
    "lti_notice_service": "hosts are asked anew, with the address of the new installation",
    "lti_platform_notice": "ids of what this installation heard, kept for some weeks",
    "lti_host_turn": "the pace of this installation's requests",
}

COLUMNS_LEFT_OUT: dict[tuple[str, str], Callable[[], Any]] = {
    ("training", "sign_in_secret"): competencies.trainings.new_secret,  # of the codes on the screen
    ("tenant", "forward_url"): str,
    ("tenant", "frozen_on"): lambda: None,
    ("lti_platform", "is_disabled"): lambda: True,  # until somebody at the new place says that it is connected
}
"""Columns that stay behind, with what stands there on arrival."""

_LOOSE = {
    ("programme", "policy_id"): "programme_policy",
    ("submission", "current_version_id"): "submission_version",
    ("submission", "batch_id"): "school_batch",
    ("person", "absorbed_ids"): "person",
    ("ledger_draw", "unit_ids"): "org_unit",
    ("ledger_draw", "entry_ids"): "credit_entry",
    ("certificate", "entries"): "credit_entry",
    ("choice_confirmation", "points"): "competency_point",
    ("appeal", "before.decided_by_id"): "person",
}
"""Columns that hold an id, or a list of them, without a foreign key; after a dot, the key of what the column holds."""

MOST_LETTERS = 1_000_000  # of the texts of rows that are in memory together
_AT_ONCE = 200  # rows of a statement that are in memory together
MOST_ID = 2**31 - 1


def tables() -> list[Table]:
    """The tables of the archive, each after those that it points to. None may be left out because its module was not
    imported (KeyError): an archive without it would look whole."""
    wanted = {Model.metadata.tables[name] for name in KEPT}
    return [one for one in Model.metadata.sorted_tables if one in wanted]


def columns(table: Table) -> list[Column[Any]]:
    """The columns of a table that stand in the archive."""
    return [one for one in table.columns if (table.name, one.name) not in COLUMNS_LEFT_OUT]


def member(table: Table) -> str:
    """The member of the parcel that holds a table."""
    return f"data/{table.name}.jsonl"


def of_district(table: Table, tenant_id: int) -> ColumnElement[bool]:
    """The condition by which a table's rows are a district's."""
    name, parent = KEPT[table.name]
    if parent == "tenant":
        return table.c[name] == tenant_id
    above = Model.metadata.tables[parent]
    return table.c[name].in_(select(above.c.id).where(of_district(above, tenant_id)))


def rows(session: Session, table: Table, tenant_id: int) -> Generator[dict[str, Any], None, None]:
    """A district's rows of a table as they stand in the archive, by their key. Few are in memory at a time."""
    wanted = columns(table)
    found = session.execute(
        select(*wanted).where(of_district(table, tenant_id)).order_by(*table.primary_key),
        execution_options={"yield_per": _AT_ONCE},
    )
    with found:
        for row in found:
            yield {one.name: said(value) for one, value in zip(wanted, row, strict=True)}


def said(value: Any) -> Any:
    """A value as JSON says it: instants in UTC with six digits, days as dates, bytes in base64."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


# --- arriving: nothing of a row is believed ---


def read(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the archive as the table takes it. Raises Refused `archive.row` where it has other columns, or values
    that no such column holds."""
    wanted = columns(table)
    if set(row) != {one.name for one in wanted}:
        raise Refused("archive.row", table=table.name)
    made: dict[str, Any] = {}
    for one in wanted:
        try:
            made[one.name] = _read(one, row[one.name])
        except (ValueError, TypeError, binascii.Error) as error:
            raise Refused("archive.row", table=f"{table.name}.{one.name}") from error
    for (name, column), make in COLUMNS_LEFT_OUT.items():
        if name == table.name:
            made[column] = make()
    return made


def _read(column: Column[Any], value: Any) -> Any:
    kind = column.type
    if archive_shapes.is_json(column):
        return archive_shapes.read(column, value)
    if value is None:
        if not column.nullable:
            raise ValueError(column.name)
        return None
    if isinstance(kind, Boolean):
        return _of(bool, value)
    if isinstance(kind, Integer):
        if abs(_of(int, value)) > MOST_ID:
            raise ValueError(column.name)
        return value
    text = _of(str, value)
    if isinstance(kind, Choice):
        return kind.enum_class(text) if kind.enum_class is not None else text
    if isinstance(kind, UTCDateTime):
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    if isinstance(kind, Date):
        return date.fromisoformat(text)
    if isinstance(kind, LargeBinary):
        return base64.b64decode(text, validate=True)
    if not isinstance(kind, (String, AutoString)) or "\0" in text or len(text) > (kind.length or len(text)):
        raise ValueError(column.name)
    text.encode()  # half a surrogate pair is no text
    return text


def _of(kind: type[Any], value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(type(value).__name__)
    return value


class Ids:
    """A set of ids, one bit each: millions of them take little memory."""

    PAGE = 65_536

    def __init__(self) -> None:
        self.pages: dict[int, bytearray] = {}

    def add(self, key: int) -> None:
        """Notes one."""
        self.pages.setdefault(key // self.PAGE, bytearray(self.PAGE // 8))[key % self.PAGE // 8] |= 1 << key % 8

    def __contains__(self, key: int) -> bool:
        page = self.pages.get(key // self.PAGE)
        return page is not None and bool(page[key % self.PAGE // 8] >> key % 8 & 1)

    def has_all_of(self, other: "Ids") -> bool:
        """Whether all of another set are in this one."""
        empty = bytearray(self.PAGE // 8)
        return all(
            int.from_bytes(page) & ~int.from_bytes(self.pages.get(number, empty)) == 0
            for number, page in other.pages.items()
        )


def _loose_ids(table: Table, row: Mapping[str, Any], loose: str) -> list[Any]:
    """What a column of `_LOOSE` names. Raises Refused `archive.row` where it holds no such key."""
    column, _dot, inner = loose.partition(".")
    held = row[column]
    if inner and held is not None:
        if not isinstance(held, dict) or inner not in held:
            raise Refused("archive.row", table=f"{table.name}.{column}")
        held = held[inner]
    if held is None:
        return []
    return held if isinstance(held, list) else [held]


@dataclass
class Pointers:
    """What the rows of an archive point to, held against the rows that it has: nothing leads out of the district."""

    tenant_id: int
    there: dict[str, Ids] = field(default_factory=dict)
    wanted: dict[str, Ids] = field(default_factory=dict)

    def note(self, table: Table, row: Mapping[str, Any]) -> None:
        """Notes a row and all that it points to. Raises Refused `archive.row`, `archive.points_out`."""
        if "id" in row:
            self.there.setdefault(table.name, Ids()).add(key_of(table, row["id"]))
        if row.get("tenant_id", self.tenant_id) != self.tenant_id:
            raise Refused("archive.points_out", table=table.name)
        for column in columns(table):
            for target in {key.column.table.name for key in column.foreign_keys}:
                if row[column.name] is not None:
                    self._want(table, target, row[column.name])
        for (name, loose), target in _LOOSE.items():
            if name == table.name:
                for key in _loose_ids(table, row, loose):
                    self._want(table, target, key)
        if table.name == people.OrgUnit.__tablename__:
            self._look_at_path(table, row)

    def must_be_there(self) -> None:
        """Raises Refused `archive.points_out` where a row points to one that the archive does not have."""
        for name, ids in self.wanted.items():
            if not self.there.get(name, Ids()).has_all_of(ids):
                raise Refused("archive.points_out", table=name)

    def _want(self, table: Table, target: str, key: Any) -> None:
        if target == "tenant":
            if key != self.tenant_id:
                raise Refused("archive.points_out", table=table.name)
        else:
            self.wanted.setdefault(target, Ids()).add(key_of(table, key))

    def _look_at_path(self, table: Table, row: Mapping[str, Any]) -> None:
        """A unit's reach is its path: a false one would open another subtree."""
        steps = row["path"].strip("/").split("/")
        if not all(step.isdecimal() and len(step) <= 10 for step in steps) or int(steps[-1]) != row["id"]:
            raise Refused("archive.row", table=f"{table.name}.path")
        for step in steps:
            self._want(table, table.name, int(step))


def key_of(table: Table, value: Any) -> int:
    """An id that a row says. Raises Refused `archive.row` for what is none."""
    if type(value) is not int or not 0 < value <= MOST_ID:
        raise Refused("archive.row", table=table.name)
    return value


def points_to_itself(table: Table) -> list[str]:
    """Columns by which rows of a table point to others of it, perhaps to later ones."""
    return [
        one.name for one in table.columns if any(key.column.table is table for key in one.foreign_keys) and one.nullable
    ]


def batches(values: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    """Rows in lists of at most that many, and of fewer where they hold long texts (a seal names a thousand entries):
    what is in memory together is some megabytes, whatever the rows are."""
    some: list[dict[str, Any]] = []
    letters = 0
    for one in values:
        some.append(one)
        letters += sum(len(value) for value in one.values() if isinstance(value, str))
        if len(some) == size or letters >= MOST_LETTERS:
            yield some
            some, letters = [], 0
    if some:
        yield some
