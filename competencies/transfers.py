"""转出 and 转入: which hours of a person can leave, what they are called on the way, and how a point that was earned
elsewhere is held here.

Hours leave by entries of the opposite sign and come by entries of their own; nothing in the ledger is rewritten. Each
line of a package names itself, and the ledger takes a name once.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, or_
from sqlmodel import Session, col, select

from competencies.certificates import code_as_kept as code_as_kept
from competencies.certificates import code_as_printed as code_as_printed
from competencies.certificates import new_code as new_code
from competencies.ledger import CAME, Basis, credit
from competencies.levels import Level
from competencies.manifests import canonical_hash
from competencies.models import (
    Award,
    CompetencyPoint,
    CreditEntry,
    CreditKind,
    Decision,
    Outcome,
    Programme,
    Selection,
    Submission,
    SubmissionState,
    SubmissionVersion,
)
from competencies.transfer_models import OUT as OUT
from competencies.transfer_models import Arrival as Arrival
from competencies.transfer_models import ArrivalState as ArrivalState
from competencies.transfer_models import Transfer as Transfer
from competencies.transfer_models import TransferEvent as TransferEvent
from competencies.transfer_models import TransferFile as TransferFile
from competencies.transfer_models import TransferKey as TransferKey
from competencies.transfer_models import TransferPackage as TransferPackage
from competencies.transfer_models import TransferState as TransferState
from lms_plugin.append_only import guard, refusing
from lms_plugin.db import new_uuid, pk, table

guard(TransferEvent, refusing(table(TransferEvent).name))

LEFT, BACK = "transfer_out", "transfer_back"
"""Reasons of ledger entries, beside `CAME`: hours left, and are counted here again."""

LONGEST_REASON = 300
MOST_OF_LINE = 100_000_00
"""Hundredths of one line of a package: more is a slip, or somebody's joke."""
_ROUNDS = 200_000


@dataclass(frozen=True, slots=True)
class Line:
    """Hours of one kind, in one programme, that count on one day. `row`: under which row of the person; 0 on the way.
    `of_points`: points brought them."""

    id: str
    row: int
    programme: str
    kind: CreditKind
    hundredths: int
    on: date
    of_points: bool

    @property
    def block(self) -> str:
        """What is accepted or refused as one: a kind of hours of a programme."""
        return f"{self.programme}:{self.kind.value}"


@dataclass(frozen=True, slots=True)
class Counts:
    """An entry of the ledger with the day on which it counts and the programme's public name."""

    entry: CreditEntry
    programme: str
    on: date


def of_points(entry: CreditEntry) -> bool:
    """Whether points brought this entry (`ledger.OF_POINTS` says the same to the database)."""
    return (
        entry.kind is CreditKind.PRACTICE
        and entry.reverses_id is None
        and (entry.import_key is None or entry.award_id is not None)
    )


def lines_that_stand(counts: Iterable[Counts], gone: Iterable[Mapping[str, Any]]) -> tuple[Line, ...]:
    """The hours that stand, in lines above zero; `gone`: lines that left before and did not come back.

    What takes hours back is set against the hours of its own kind and programme, the largest line first.
    """
    counts = list(counts)
    found = {pk(one.entry): of_points(one.entry) for one in counts}
    sums: dict[tuple[str, CreditKind, int, date, bool], int] = defaultdict(int)
    for one in counts:
        entry = one.entry
        if entry.reason in {LEFT, BACK}:
            continue  # told by `gone`
        brought = found.get(entry.reverses_id, False) if entry.reverses_id is not None else found[pk(entry)]
        sums[(one.programme, entry.kind, entry.person_id, one.on, brought)] += entry.credit_hundredths
    for line in gone:
        key = (line["programme"], CreditKind(line["kind"]), line["row"], date.fromisoformat(line["on"]))
        sums[(*key, bool(line["of_points"]))] -= line["hundredths"]
    blocks: dict[tuple[str, CreditKind], list[Line]] = defaultdict(list)
    for (programme, kind, row, on, brought), total in sorted(
        sums.items(), key=lambda item: (item[0][0], item[0][1].value, *item[0][2:])
    ):
        if total:
            blocks[(programme, kind)].append(Line(new_uuid(), row, programme, kind, total, on, brought))
    return tuple(line for lines in blocks.values() for line in _above_zero(lines))


def _above_zero(lines: Sequence[Line]) -> list[Line]:
    """The same total in lines above zero, as far as there is one."""
    less = -sum(line.hundredths for line in lines if line.hundredths < 0)
    kept = sorted((line for line in lines if line.hundredths > 0), key=lambda line: -line.hundredths)
    left = []
    for line in kept:
        taken = min(less, line.hundredths)
        less -= taken
        if line.hundredths > taken:
            left.append(replace(line, hundredths=line.hundredths - taken))
    return sorted(left, key=lambda line: (line.on, line.row))


def stored(line: Line) -> dict[str, Any]:
    """As the transfer keeps it."""
    return {
        "id": line.id,
        "row": line.row,
        "programme": line.programme,
        "kind": line.kind.value,
        "hundredths": line.hundredths,
        "on": line.on.isoformat(),
        "of_points": line.of_points,
        "back": False,
    }


def as_line(kept: Mapping[str, Any]) -> Line:
    """The line again."""
    return Line(
        kept["id"],
        kept.get("row", 0),
        kept["programme"],
        CreditKind(kept["kind"]),
        kept["hundredths"],
        date.fromisoformat(kept["on"]),
        kept["of_points"],
    )


def points_gone(transfers: Iterable[Transfer]) -> dict[str, int]:
    """Points that left by these transfers and are held there (or may be), each with its best level."""
    gone: dict[str, int] = {}
    for transfer in transfers:
        for one in transfer.points:
            if not one["back"]:
                gone[one["point"]] = max(one["level"], gone.get(one["point"], 0))
    return gone


def key_of(what: str, line_id: str) -> str:
    """What names a line in the ledger: it leaves, comes back and comes in once."""
    return hashlib.sha256(f"{what}:{line_id}".encode()).hexdigest()


def transfers_out(session: Session, tenant_id: int, person_ids: Collection[int]) -> Sequence[Transfer]:
    """The transfers by which something of these rows of people is out of here, the oldest first. One query.

    Also found by the moments in which hours of these very rows left: where rows were one human being for a while, the
    transfer may stand under a row that is somebody else's again.
    """
    moments = select(CreditEntry.entered_at).where(
        CreditEntry.tenant_id == tenant_id, col(CreditEntry.person_id).in_(person_ids), CreditEntry.reason == LEFT
    )
    released = select(TransferEvent.transfer_id).where(
        TransferEvent.tenant_id == tenant_id, TransferEvent.what == "released", col(TransferEvent.at).in_(moments)
    )
    return session.exec(
        select(Transfer)
        .where(
            Transfer.tenant_id == tenant_id,
            col(Transfer.state).in_(OUT),
            or_(col(Transfer.person_id).in_(person_ids), col(Transfer.id).in_(released)),
        )
        .order_by(col(Transfer.id))
    ).all()


def lines_out(transfers: Iterable[Transfer], person_ids: Collection[int]) -> list[tuple[Transfer, Mapping[str, Any]]]:
    """The hours of these rows of people that left by these transfers and are not back, line by line."""
    return [
        (transfer, line)
        for transfer in transfers
        for line in transfer.lines
        if not line["back"] and line["row"] in person_ids
    ]


def book_lines(
    session: Session,
    programmes: Mapping[str, Programme],
    lines: Collection[Line],
    what: str,
    source: str,
    decided_by_id: int | None,
    org_unit_id: int | None,
    now: datetime,
) -> None:
    """An entry for each line: out of the ledger (`LEFT`), or in again (`BACK`)."""
    for line in lines:
        programme = programmes[line.programme]
        credit(
            session,
            programme.tenant_id,
            pk(programme),
            line.row,
            line.kind,
            -line.hundredths if what == LEFT else line.hundredths,
            Basis(programme.policy_id or 0, decided_by_id=decided_by_id, org_unit_id=org_unit_id),
            now,
            what,
            source,
            earned_on=line.on,
            key=key_of(what, line.id),
        )


def take_in(
    session: Session,
    programme: Programme,
    person_id: int,
    lines: Collection[Line],
    award_id: int | None,
    source: str,
    decided_by_id: int,
    org_unit_id: int | None,
    now: datetime,
) -> int:
    """An entry for each line of a block that came; gives their total. What points brought there names the award that
    stands for one of those points here (`award_id`, None where none of them is held), so that the rule of the place
    does not bring it a second time."""
    for line in lines:
        award = award_id if line.of_points and line.kind is CreditKind.PRACTICE else None
        credit(
            session,
            programme.tenant_id,
            pk(programme),
            person_id,
            line.kind,
            line.hundredths,
            Basis(programme.policy_id or 0, award, decided_by_id, org_unit_id),
            now,
            CAME,
            source,
            earned_on=line.on,
            key=key_of(CAME, line.id),
        )
    return sum(line.hundredths for line in lines)


def busy_points(session: Session, programme: Programme, person_ids: Collection[int]) -> set[int]:
    """The points on which something of these rows was handed in, by id: what came from elsewhere cannot take their
    place. One query."""
    works = session.exec(
        select(Submission).where(Submission.programme_id == pk(programme), col(Submission.person_id).in_(person_ids))
    )
    return {
        work.point_id
        for work in works
        if work.state is not SubmissionState.DRAFT or work.current_version_id is not None
    }


def hold_point(
    session: Session,
    programme: Programme,
    person_ids: Sequence[int],
    point: CompetencyPoint,
    level: Level,
    facts: Mapping[str, Any],
    reason: str,
    decided_by_id: int,
    org_unit_id: int | None,
    now: datetime,
) -> Award:
    """The person holds a point that was earned elsewhere, by the word of who decides: chosen, handed in (`facts` name
    where and under which hashes), decided and awarded in one. None of `busy_points`."""
    work = session.exec(
        select(Submission).where(
            Submission.programme_id == pk(programme),
            Submission.person_id == person_ids[0],  # where its hours are: a merge that is undone must not part them
            Submission.point_id == pk(point),
        )
    ).one_or_none()
    work = work or Submission(
        tenant_id=programme.tenant_id,
        programme_id=pk(programme),
        person_id=person_ids[0],
        point_id=pk(point),
        created_at=now,
        changed_at=now,
    )
    _choose(session, programme, work.person_id, pk(point), now)
    session.add(work)
    session.flush()
    manifest = {"submission": work.uuid, "number": 1, "submitted_at": now.isoformat(), "items": [], "from": dict(facts)}
    version = SubmissionVersion(
        submission_id=pk(work),
        number=1,
        org_unit_id=org_unit_id,
        manifest=manifest,
        content_hash=canonical_hash(manifest),
        self_marks={},
        submitted_at=now,
        opened_at=now,
    )
    session.add(version)
    session.flush()
    decision = Decision(
        tenant_id=programme.tenant_id,
        submission_id=pk(work),
        submission_version_id=pk(version),
        decided_by_id=decided_by_id,
        outcome=Outcome.DECIDED,
        marks={},
        item_levels={},
        point_level=int(level),
        reason=reason,
        decided_at=now,
        released_at=now,
    )
    session.add(decision)
    work.current_version_id, work.state, work.changed_at = pk(version), SubmissionState.RELEASED, now
    session.add(work)
    session.flush()
    award = Award(
        tenant_id=programme.tenant_id,
        programme_id=pk(programme),
        person_id=work.person_id,
        point_id=pk(point),
        decision_id=pk(decision),
        level=int(level),
        org_unit_id=org_unit_id,
        awarded_at=now,
    )
    session.add(award)
    session.flush()
    return award


def is_held_from_elsewhere() -> ColumnElement[bool]:
    """Whether a version (`SubmissionVersion`) stands for a point that was earned elsewhere: nobody here judged it."""
    facts: Any = col(SubmissionVersion.manifest)["from"]
    came: ColumnElement[bool] = facts.as_string().is_not(None)
    return came


def _choose(session: Session, programme: Programme, person_id: int, point_id: int, now: datetime) -> None:
    chosen = session.exec(
        select(Selection).where(
            Selection.programme_id == pk(programme), Selection.person_id == person_id, Selection.point_id == point_id
        )
    ).first() or Selection(programme_id=pk(programme), person_id=person_id, point_id=point_id, chosen_at=now)
    chosen.dropped_at = None
    session.add(chosen)


# --- across the wall: a code names one arrival of the installation, a package one transfer ---


def arrival_of_code(session: Session, code: str) -> Arrival | None:
    """The arrival with that code (as `code_as_kept` gives it), whatever district it is of. One query."""
    return session.exec(select(Arrival).where(Arrival.code == code)).one_or_none() if code else None


def transfer_of_package(session: Session, package: str, *, hold: bool = False) -> Transfer | None:
    """The transfer that made this package, where it left a district of this installation. `hold`: for the rest of the
    transaction. One query."""
    statement = select(Transfer).where(Transfer.uuid == package).execution_options(populate_existing=True)
    return session.exec(statement.with_for_update() if hold else statement).one_or_none()


def arrival_of_package(session: Session, package: str) -> Arrival | None:
    """The arrival that has this package, whatever district it is of. One query."""
    return session.exec(select(Arrival).where(Arrival.package == package)).one_or_none()


def drop_files(session: Session, arrival: Arrival) -> None:
    """What came is not taken in: nothing holds its files any more, so they are cleared away in time."""
    session.execute(delete(TransferFile).where(col(TransferFile.arrival_id) == pk(arrival)))


def note(
    session: Session,
    row: Transfer | Arrival,
    what: str,
    by_id: int | None,
    now: datetime,
    reason: str = "",
) -> None:
    """What was done goes into the log."""
    session.add(
        TransferEvent(
            tenant_id=row.tenant_id,
            transfer_id=row.id if isinstance(row, Transfer) else None,
            arrival_id=row.id if isinstance(row, Arrival) else None,
            what=what,
            reason=reason[:LONGEST_REASON],
            by_id=by_id,
            at=now,
        )
    )
    session.flush()


# --- codes that two offices tell each other ---


def sealed_code(code: str, package: str) -> str:
    """What a package says of its 放行码, so that only who was told it can take the package in."""
    return hashlib.pbkdf2_hmac("sha256", code.encode(), package.encode(), _ROUNDS).hex()


def return_code(code: str, package: str) -> str:
    """退回码: what an office that refuses a package says to the one that sent it; only who knows the 放行码 can."""
    digest = hashlib.pbkdf2_hmac("sha256", f"{code}:refused".encode(), package.encode(), _ROUNDS)
    return as_code(digest)


def as_code(digest: bytes) -> str:
    """The first 60 bits as a code of twelve characters."""
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    number = int.from_bytes(digest[:8], "big") >> 4
    return "".join(alphabet[(number >> (5 * place)) & 31] for place in reversed(range(12)))
