"""What travels when a person moves: the package as it is made, and as it is read (docs/transfer.md says its format).

What is read from one is checked for its shape before anything is done with it.
"""

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select as columns
from sqlalchemy import union
from sqlmodel import Session, col, select

import competencies
from competencies import Award, CompetencyPoint, CreditEntry, CreditKind, Level, Programme, Submission
from lms_plugin import parcel, signing
from lms_plugin.db import by_id, pk
from lms_plugin.errors import Refused
from lms_plugin.flow import transfer_marks, transfer_record
from lms_plugin.people import Enrolment, Person, Tenant

domain = competencies.transfers
FORMAT, VERSION = "nengli-transfer", 1
MOST_BYTES = 8 * 1024 * 1024
MOST_INSIDE = 64 * 1024 * 1024
MOST_LINES = 2000
SUMMARY, PERSON, RECORD, LEDGER = "summary.jsonl", "person.jsonl", "record.jsonl", "ledger.jsonl"


@dataclass(frozen=True)
class Held:
    """A point that the person holds. `standard`: the code of its framework."""

    programme: str
    title: str
    standard: str
    code: str
    name: Mapping[str, str]
    level: Level
    awarded_at: datetime
    level_words: Mapping[str, Mapping[str, str]] | None = None  # what its framework calls the levels, if not as usual

    @property
    def key(self) -> str:
        """Names the point, wherever it was earned."""
        return f"{self.standard}:{self.code}"


@dataclass(frozen=True)
class Leaving:
    """What would leave now: hours in lines, points held, works that are still open and stay."""

    programmes: Mapping[int, Programme]
    lines: tuple[competencies.transfers.Line, ...]
    points: tuple[Held, ...]
    open_works: int

    @property
    def titles(self) -> dict[str, str]:
        """Programmes by their uuid."""
        return {one.uuid: one.title for one in self.programmes.values()}

    @property
    def is_empty(self) -> bool:
        """Nothing that anybody could take in."""
        return not self.lines and not self.points


def leaving(session: Session, tenant: Tenant, rows: Collection[int]) -> Leaving:
    """What stands of these rows of a person, in all programmes of the district. Five queries."""
    found = union(
        *(
            select(kind.programme_id).where(col(kind.person_id).in_(rows))
            for kind in (Submission, Award, CreditEntry, Enrolment)
        )
    ).subquery()
    keys = [int(key) for (key,) in session.connection().execute(select(found.c.programme_id)).all()]
    programmes = by_id(session, Programme, sorted(keys))
    counts = [
        domain.Counts(entry, programmes[entry.programme_id].uuid, on)
        for entry, on in competencies.whole_ledger(session, rows, tenant.timezone).entries
    ]
    out = domain.transfers_out(session, pk(tenant), rows)
    gone = [line for _transfer, line in domain.lines_out(out, rows)]
    works = session.exec(select(col(Submission.state)).where(col(Submission.person_id).in_(rows))).all()
    under_way = {competencies.SubmissionState.SUBMITTED, competencies.SubmissionState.LATE}
    under_way |= {competencies.SubmissionState.RETURNED, competencies.SubmissionState.DECIDED}
    return Leaving(
        programmes,
        domain.lines_that_stand(counts, gone),
        _points(session, rows, programmes, domain.points_gone(out)),
        sum(state in under_way for state in works),
    )


def _points(
    session: Session, rows: Collection[int], programmes: Mapping[int, Programme], gone: Mapping[str, int]
) -> tuple[Held, ...]:
    """Without those that left before (`gone`) at this level or a better one."""
    statement: Any = (
        columns(Award, CompetencyPoint, col(competencies.CompetencyFramework.code))
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(Award.point_id))
        .join(
            competencies.FrameworkVersion,
            col(competencies.FrameworkVersion.id) == col(CompetencyPoint.framework_version_id),
        )
        .join(
            competencies.CompetencyFramework,
            col(competencies.CompetencyFramework.id) == col(competencies.FrameworkVersion.framework_id),
        )
        .where(col(Award.person_id).in_(rows), col(Award.revoked_at).is_(None), col(Award.level) >= int(Level.PASS))
        .order_by(col(Award.level).desc(), col(Award.id))
    )
    held: dict[str, Held] = {}
    for award, point, standard in session.exec(statement):
        programme = programmes[award.programme_id]
        one = Held(
            programme.uuid,
            programme.title,
            standard,
            point.code,
            point.name,
            Level(award.level),
            award.awarded_at,
            point.level_words,
        )
        if one.level > gone.get(one.key, Level.FAIL):
            held.setdefault(one.key, one)  # a point that was passed twice counts once, at the better level
    return tuple(sorted(held.values(), key=lambda one: (one.standard, len(one.code), one.code)))


# --- making one ---


def make(
    session: Session,
    tenant: Tenant,
    person: Person,
    rows: Sequence[int],
    transfer: competencies.transfers.Transfer,
    what: Leaving,
    release: str,
    pem: str,
    now: datetime,
) -> tuple[bytes, str]:
    """The bytes of a signed package, and the hash of its manifest. `release`: `transfers.sealed_code`. Raises Refused
    `transfer.too_large`."""
    facts = {
        "format": FORMAT,
        "version": VERSION,
        "package": transfer.uuid,
        "made_at": now.isoformat(),
        "from": {"id": tenant.uuid, "name": _plain(tenant.name)},
        "to": {"code": transfer.to_code, "name": _plain(transfer.to_name)},
        "release": release,
    }
    whose = transfer_record.person(session, person, rows)
    members = {
        PERSON: [whose | {key: _plain(whose[key]) for key in ("name", "staff_number")}],
        SUMMARY: [_summary(what)],
        RECORD: transfer_record.record(session, rows, what.programmes),
        LEDGER: transfer_record.ledger(session, tenant, rows),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "package.zip"
        packing = parcel.Packing(path)
        for name, objects in members.items():
            packing.text(name, b"".join(parcel.line(one) for one in objects).decode())
        packing.checkpoint()
        manifest_hash = packing.finish(facts, partial(signing.sign, pem=pem))
        data = path.read_bytes()
    if len(data) > MOST_BYTES:
        raise Refused("transfer.too_large", most=MOST_BYTES // 1024 // 1024)
    return data, manifest_hash


def _plain(text: str) -> str:
    """As `Plain` wants it: names come from hosts and standards with blanks and breaks of all kinds."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _plain_words(words: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    return {code: {language: _plain(text) for language, text in told.items()} for code, told in words.items()}


def _summary(what: Leaving) -> dict[str, Any]:
    return {
        "titles": {key: _plain(title) for key, title in what.titles.items()},
        "points": [
            {
                "programme": one.programme,
                "standard": one.standard,
                "code": one.code,
                "name": {language: _plain(text) for language, text in one.name.items()},
                "level": int(one.level),
                "awarded_at": one.awarded_at.isoformat(),
                **({"level_words": _plain_words(one.level_words)} if one.level_words else {}),
            }
            for one in what.points
        ],
        "hours": [
            {
                "id": line.id,
                "programme": line.programme,
                "kind": line.kind.value,
                "hundredths": line.hundredths,
                "on": line.on.isoformat(),
                "of_points": line.of_points,
            }
            for line in what.lines
        ],
    }


# --- reading one ---


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("no text")
    return text


Plain = Annotated[str, AfterValidator(_printable)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Place(_Strict):
    id: Plain = Field(default="", max_length=64)
    code: Plain = Field(default="", max_length=12)
    name: Plain = Field(min_length=1, max_length=200)


class _Facts(_Strict):
    package: Plain = Field(pattern=r"^[0-9a-f]{32}$")
    made_at: Plain = Field(max_length=40)
    origin: _Place = Field(alias="from")
    to: _Place
    release: Plain = Field(pattern=r"^([0-9a-f]{64})?$")  # `transfers.sealed_code`, "" within one installation


class _Whose(_Strict):
    name: Plain = Field(min_length=1, max_length=100)
    staff_number: Plain = Field(max_length=64)


class _Point(_Strict):
    programme: Plain = Field(pattern=r"^[0-9a-f]{32}$")
    standard: Plain = Field(min_length=1, max_length=100)
    code: Plain = Field(min_length=1, max_length=32)
    name: dict[Plain, Plain] = Field(max_length=20)
    level: int = Field(ge=1, le=2)
    awarded_at: Plain = Field(max_length=40)
    level_words: dict[Plain, dict[Plain, Plain]] | None = Field(default=None, max_length=3)


class _Hours(_Strict):
    id: Plain = Field(pattern=r"^[0-9a-f]{32}$")
    programme: Plain = Field(pattern=r"^[0-9a-f]{32}$")
    kind: Plain = Field(pattern="^(" + "|".join(kind.value for kind in CreditKind) + ")$")
    hundredths: int = Field(gt=0, le=domain.MOST_OF_LINE)
    on: Plain = Field(max_length=10)
    of_points: bool


class _Summary(_Strict):
    titles: dict[Plain, Plain] = Field(max_length=200)
    points: list[_Point] = Field(max_length=MOST_LINES)
    hours: list[_Hours] = Field(max_length=MOST_LINES)


@dataclass(frozen=True)
class Package:
    """A package whose signature fits its bytes. `key`: the public key it was signed with, whosever that is."""

    uuid: str
    made_at: datetime
    from_id: str
    from_name: str
    to_code: str
    release: str
    name: str
    staff_number: str
    titles: Mapping[str, str]
    lines: tuple[competencies.transfers.Line, ...]
    points: tuple[Held, ...]
    manifest_hash: str
    key: Mapping[str, str]


def read(data: bytes, today: date) -> Package:
    """What a package from anywhere says. Nothing is written. Raises Refused `transfer.too_large`, `parcel.…`,
    `signing.wrong`, `transfer.unsigned`, `transfer.unreadable` (of another shape than docs/transfer.md says)."""
    if len(data) > MOST_BYTES:
        raise Refused("transfer.too_large", most=MOST_BYTES // 1024 // 1024)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "package.zip"
        path.write_bytes(data)
        with parcel.Opened(path) as opened:
            if opened.bytes_inside > MOST_INSIDE:
                raise Refused("transfer.too_large", most=MOST_BYTES // 1024 // 1024)
            opened.must_be(FORMAT, (VERSION,))
            signature = opened.signature
            if signature is None:
                raise Refused("transfer.unsigned")
            key = signing.signed_by(signature, opened.manifest_bytes)
            opened.verify()
            try:
                facts = _Facts.model_validate(opened.manifest)
                whose = _Whose.model_validate(next(opened.rows(PERSON), {}))
                summary = _Summary.model_validate(next(opened.rows(SUMMARY), {}))
                return _package(facts, whose, summary, opened.hash, key, today)
            except (ValidationError, ValueError) as error:
                raise Refused("transfer.unreadable") from error


def received(data: bytes, today: date) -> Package:
    """As `read`, of a package that comes: what it says of how works were judged has to be readable, too. Raises what
    `read` raises, and Refused `transfer.marks_unreadable`."""
    package = read(data, today)
    transfer_marks.must_be_readable(record_of(data))
    return package


def record_of(data: bytes) -> list[dict[str, Any]]:
    """The lines of the record in a package that `read` has gone through; of any shape."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "package.zip"
        path.write_bytes(data)
        with parcel.Opened(path) as opened:
            return list(opened.rows(RECORD)) if RECORD in opened else []


def _package(
    facts: _Facts, whose: _Whose, summary: _Summary, manifest_hash: str, key: Mapping[str, str], today: date
) -> Package:
    lines = tuple(
        domain.Line(
            one.id, 0, one.programme, CreditKind(one.kind), one.hundredths, date.fromisoformat(one.on), one.of_points
        )
        for one in summary.hours
    )
    titles = {key: " ".join(title.split())[:200] for key, title in summary.titles.items()}
    if len({line.id for line in lines}) != len(lines) or any(
        not date(1990, 1, 1) <= line.on <= today or line.programme not in titles for line in lines
    ):
        raise ValueError("lines that name one another, or days that no hours were earned on")
    made_at = datetime.fromisoformat(facts.made_at)
    if made_at.tzinfo is None or not date(1990, 1, 1) <= made_at.date() <= today + timedelta(days=1):
        raise ValueError("a moment without its zone, or of no time in which packages were made")
    points = tuple(
        Held(
            one.programme,
            titles.get(one.programme, ""),
            one.standard,
            one.code,
            one.name,
            Level(one.level),
            datetime.fromisoformat(one.awarded_at),
            one.level_words,
        )
        for one in summary.points
    )
    if len({one.key for one in points}) != len(points):
        raise ValueError("a point twice")
    return Package(
        uuid=facts.package,
        made_at=made_at,
        from_id=facts.origin.id,
        from_name=facts.origin.name,
        to_code=facts.to.code,
        release=facts.release,
        name=whose.name,
        staff_number=whose.staff_number,
        titles=titles,
        lines=lines,
        points=points,
        manifest_hash=manifest_hash,
        key=key,
    )
