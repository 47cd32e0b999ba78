"""What the page of one point shows its author: what to hand in, how it will be judged, what still stands in the way."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin import media
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import owned, pk
from lms_plugin.flow import drafts, extensions

Text = Mapping[str, str]


@dataclass(frozen=True)
class PieceLine:
    """A piece of evidence in its place. `state`: uploading, checking, ready or refused (`problem` says why).

    `tells`: words in it that name the author; `can_strike`: whether we can take them out. `left_out`: objects inside
    it that reviewers do not get.
    """

    ref: str
    kind: str
    name: str
    size_bytes: int
    state: str
    problem: str
    percent: int
    tells: tuple[str, ...]
    tells_where: tuple[str, ...]
    is_waived: bool
    can_strike: bool
    over_seconds: int
    is_too_long: bool
    left_out: int
    text: str
    pages: int | None
    url: str


@dataclass(frozen=True)
class CriterionLine:
    """A criterion with what each level asks, and the author's own mark. `texts`: level → text."""

    key: str
    is_validity: bool
    texts: Mapping[int, Text]
    choices: tuple[int, ...]
    own_level: int | None
    given_level: int | None
    reason: str
    share: int | None  # of its item, in percent; None where the lowest criterion decides


@dataclass(frozen=True)
class CheckLine:
    """One of the pack's checks: machine-made (`is_machine`) or ticked by the teacher."""

    key: str
    text: Text
    is_machine: bool
    is_done: bool


@dataclass(frozen=True)
class Slot:
    """One requirement of the point."""

    key: str
    number: int
    title: Text
    kind: str
    takes: tuple[str, ...]
    accept: tuple[str, ...]
    is_required: bool
    is_core: bool
    is_proposed: bool
    source: str
    limits: Mapping[str, Any]
    most_pieces: int
    pieces: tuple[PieceLine, ...]
    criteria: tuple[CriterionLine, ...]
    checks: tuple[CheckLine, ...]
    stands: bool
    failed: bool
    is_free: bool  # of a returned work: nobody marked it, so it may be changed and need not be
    is_length_accepted: bool
    text_version: int
    text_parts: Mapping[str, str]
    problems: tuple[competencies.Problem, ...]

    @property
    def is_full(self) -> bool:
        """Whether no more pieces are taken."""
        return len([piece for piece in self.pieces if piece.state != "refused"]) >= self.most_pieces


@dataclass(frozen=True)
class Told:
    """What a trainer said of a version, as far as its author may know. `level`: None for a return.

    `taken_back`: why the award was taken back, where it was.
    """

    number: int
    level: int | None
    reason: str
    taken_back: str | None
    at: datetime


@dataclass(frozen=True)
class PointPage:
    """One point of one person. `told`: of the version that stands; `earlier`: of those before it.

    `is_again`: its author prepares it again after a released result; `can_prepare_again`: they may begin to.
    """

    uuid: str
    programme_uuid: str
    programme_title: str
    code: str
    name: Text
    question: Text
    summary: Text
    level_words: Mapping[str, Text] | None  # the framework's own words for its levels
    state: str
    is_editable: bool
    is_over: bool
    is_past_end: bool
    ends_on: date
    version_number: int | None
    submitted_at: datetime | None
    is_opened: bool
    can_withdraw: bool
    withdraw_until: datetime | None
    slots: tuple[Slot, ...]
    needs_self_marks: bool
    self_edition: str
    ticks_edition: str
    told: Told | None
    earlier: tuple[Told, ...]
    is_again: bool
    can_prepare_again: bool
    retakes: int | None  # how many the rules give, where they are used up
    is_compulsory: bool  # everybody has to choose it: it cannot be exchanged for another
    reopened: str | None  # why an officer opened one more preparation, where one did
    declined: str | None  # why a late work was not let in
    goes_by_batch: bool  # what is decided waits for 公示
    publicity: str  # the batch in whose 公示 it is, "" in none; until when
    shown_until: date | None

    @property
    def level(self) -> int | None:
        """The released level of what was handed in last."""
        return self.told.level if self.told is not None else None

    @property
    def problems(self) -> tuple[competencies.Problem, ...]:
        """All that stands in the way, in the order of the page."""
        return tuple(problem for slot in self.slots for problem in slot.problems)

    def slot(self, key: str) -> Slot | None:
        """The slot of that requirement."""
        return next((slot for slot in self.slots if slot.key == key), None)


def point_page(session: Session, actor: Actor, submission_uuid: str, now: datetime) -> PointPage:
    """The point page of the actor's own submission: at most six queries. Raises NotFound, Forbidden."""
    work = drafts.load_work(session, actor, submission_uuid)
    require(actor, Permission.EVIDENCE_EDIT, own(actor))
    criteria = drafts.criteria_by_key(session, actor, work.items, work.submission)
    editable = work.submission.state in competencies.EDITABLE
    tells = work.texts_that_tell(drafts.own_traits(session, actor)) if editable else {}
    found: dict[str, list[competencies.Problem]] = {}
    if editable:
        keys = {key: [line.key for line in lines] for key, lines in criteria.items()}
        for problem in competencies.problems(
            work.submission,
            work.items,
            keys,
            work.returned,
            needs_self_marks=work.rules.review.self_marks,
            texts_with_findings=tells,
        ):
            found.setdefault(problem.requirement_key, []).append(problem)
    told = _told_decision(work)
    is_over = competencies.is_closed(work.programme, work.timezone, now)
    shown = work.items if editable else work.handed_in
    slots = tuple(
        _slot(number, item, criteria.get(item.requirement.key, ()), work, tells, found, told)
        for number, item in enumerate(shown, start=1)
    )
    begins_again = (
        not is_over
        and work.submission.state is competencies.SubmissionState.RELEASED
        and work.level is competencies.Level.FAIL
    )
    has_retake = competencies.has_retake(work.rules, work.decision, [one.decision for one in work.earlier], work.award)
    comes_again = work.returned is not None or begins_again
    extended = extensions.own_extension(session, actor, work.programme)
    ends_on = competencies.last_day(work.programme, comes_again, extended.until_on if extended is not None else None)
    version = work.version
    batch = (competencies.shown_in(session, work.programme, [work.submission]) or {}).get(pk(work.submission))
    return PointPage(
        uuid=work.submission.uuid,
        programme_uuid=work.programme.uuid,
        programme_title=work.programme.title,
        code=work.point.code,
        name=work.point.name,
        question=work.point.question,
        summary=work.point.summary,
        level_words=work.point.level_words,
        state=work.submission.state.value,
        is_editable=editable,
        is_over=is_over,
        is_past_end=now >= competencies.end_of_day(ends_on, work.timezone),
        ends_on=ends_on,
        version_number=version.number if version is not None else None,
        submitted_at=version.submitted_at if version is not None else None,
        is_opened=version is not None and version.opened_at is not None,
        can_withdraw=competencies.can_withdraw(work.submission, version, work.rules, now),
        withdraw_until=competencies.withdraw_ends_at(version, work.rules) if version is not None else None,
        slots=slots,
        needs_self_marks=work.rules.review.self_marks,
        self_edition=competencies.edition(work.submission.self_marks),
        ticks_edition=competencies.edition(work.submission.ticks),
        told=_told(version, told, work.award) if version is not None and told is not None else None,
        earlier=tuple(_told(one.version, one.decision, one.award) for one in work.earlier),
        is_again=work.returned is not None and work.returned.is_again,
        can_prepare_again=begins_again and has_retake,
        retakes=work.rules.result.retakes if begins_again and not has_retake else None,
        is_compulsory=work.point.code in work.rules.choice.compulsory,
        reopened=work.decision.retake_reason
        if begins_again and work.decision is not None and work.decision.retake_opened_at is not None
        else None,
        declined=version.declined_reason if version is not None and version.declined_at is not None else None,
        goes_by_batch=work.programme.goes_by_batch,
        publicity=batch.uuid if batch is not None else "",
        shown_until=batch.ends_on if batch is not None else None,
    )


def _told(
    version: competencies.SubmissionVersion,
    decision: competencies.Decision,
    award: competencies.Award | None,
) -> Told:
    level = competencies.level_that_stands(decision, award)
    return Told(
        number=version.number,
        level=int(level) if level is not None else None,
        reason=decision.reason,
        taken_back=award.revoked_reason if award is not None and award.revoked_at is not None else None,
        at=decision.released_at or decision.decided_at,
    )


def _told_decision(work: drafts.Work) -> competencies.Decision | None:
    """The decision as far as the teacher may see it: a return at once, a result only once it is released."""
    decision = work.decision
    if decision is None or (decision.released_at is None and work.returned is None):
        return None
    return decision


def _slot(
    number: int,
    item: competencies.Item,
    lines: tuple[rubrics.CriterionText, ...],
    work: drafts.Work,
    tells: Mapping[int, list[str]],
    found: Mapping[str, list[competencies.Problem]],
    told: competencies.Decision | None,
) -> Slot:
    requirement, key = item.requirement, item.requirement.key
    own_marks = work.submission.self_marks.get(key, {})
    given = told.marks.get(key, {}) if told is not None else {}
    ticked, shares = set(work.submission.ticks.get(key, ())), rubrics.shares(lines)
    text = next((piece.evidence for piece in item.pieces if piece.evidence.kind == "text"), None)
    return Slot(
        key=key,
        number=number,
        title=requirement.title,
        kind=requirement.kind,
        takes=tuple(dict.fromkeys([requirement.kind, *requirement.alt_kinds])),
        accept=item.accept,
        is_required=requirement.is_required,
        is_core=requirement.is_core,
        is_proposed=requirement.is_proposed,
        source=requirement.source,
        limits=item.limits,
        most_pieces=item.most_pieces,
        pieces=tuple(_piece(item, piece, tells) for piece in item.pieces),
        criteria=tuple(
            CriterionLine(
                key=line.key,
                is_validity=line.is_validity,
                texts=line.texts,
                choices=line.choices,
                own_level=own_marks.get(line.key),
                given_level=given.get(line.key, {}).get("level"),
                reason=str(given.get(line.key, {}).get("reason", "")),
                share=shares.get(line.key),
            )
            for line in lines
        ),
        checks=tuple(
            CheckLine(
                key=check["key"],
                text=competencies.languages.words(check),
                is_machine=check["key"] in competencies.MACHINE_CHECKS,
                is_done=_is_done(item, check["key"], ticked),
            )
            for check in requirement.checks
        ),
        stands=key in work.standing,
        failed=work.returned is not None and key in work.returned.failed,
        is_free=work.returned is not None
        and not work.returned.is_again
        and bool(work.returned.before.get(key))
        and key not in work.returned.standing | work.returned.failed,
        is_length_accepted=competencies.LENGTH_OVER in ticked,
        text_version=text.version if text is not None else 0,
        text_parts=text.parts if text is not None else {},
        problems=tuple(found.get(key, ())),
    )


def _is_done(item: competencies.Item, check: str, ticked: set[str]) -> bool:
    if check == "file_opens":
        return bool(item.usable)
    if check == "length_ok":
        files = [piece.file for piece in item.usable if piece.file is not None]
        return bool(files) and not any(competencies.overrun_seconds(item, file)[0] for file in files)
    return check in ticked


def _piece(item: competencies.Item, piece: competencies.Piece, tells: Mapping[int, list[str]]) -> PieceLine:
    file, row = piece.file, piece.evidence
    over, too_long = competencies.overrun_seconds(item, file) if file is not None else (0, False)
    findings = file.findings if file is not None else []
    words = [str(finding["needle"]) for finding in findings] or tells.get(pk(row), [])
    where = [str(finding["where"]).split(":")[0] for finding in findings] or (["text"] if words else [])
    state = "ready" if file is None else file.state.value
    if file is not None and state == "uploading" and file.received_bytes >= file.size_bytes:
        state = "checking"
    return PieceLine(
        ref=piece.ref,
        kind=row.kind if file is None else file.kind or "file",
        name=file.filename if file is not None else row.url,
        size_bytes=file.size_bytes if file is not None else len(row.text),
        state=state,
        problem=file.problem if file is not None else "",
        percent=round(100 * file.received_bytes / file.size_bytes) if file is not None and file.size_bytes else 0,
        tells=tuple(dict.fromkeys(words)),
        tells_where=tuple(dict.fromkeys(where)),
        is_waived=file.findings_waived if file is not None else row.findings_waived,
        can_strike=file is None or _can_strike(file, where),
        over_seconds=over,
        is_too_long=too_long,
        left_out=file.left_out if file is not None else 0,
        text=row.text,
        pages=file.pages if file is not None else None,
        url=row.url,
    )


def _can_strike(file: competencies.StoredFile, where: Collection[str]) -> bool:
    """Whether the words can be taken out: of a text of these types, of properties where a clean copy can be made."""
    if "text" in where:
        return file.extension in {"docx", "pptx", "xlsx", "txt", "csv"}
    return set(where) <= {"filename"} or media.can_sanitize(file.mime)


@dataclass(frozen=True)
class OwnFile:
    """A file that the person has uploaded before."""

    uuid: str
    name: str
    size_bytes: int
    kind: str
    used_for: tuple[Text, ...]


@dataclass(frozen=True)
class Shelf:
    """用我已传的材料: the files that fit one requirement."""

    uuid: str
    code: str
    name: Text
    key: str
    title: Text
    files: tuple[OwnFile, ...]


def own_files(session: Session, actor: Actor, submission_uuid: str, key: str) -> Shelf:
    """The actor's files that fit a requirement and are not in it yet, newest first, with where they are used."""
    require(actor, Permission.EVIDENCE_EDIT, own(actor))
    work = drafts.load_work(session, actor, submission_uuid)
    item = work.open_item(key)
    rows = session.exec(
        owned(competencies.StoredFile, actor.tenant_id)
        .where(
            col(competencies.StoredFile.person_id).in_(actor.person_ids),
            competencies.StoredFile.state == competencies.FileState.READY,
            col(competencies.StoredFile.extension) != "",  # those that came with a transfer stay where they lie
        )
        .order_by(col(competencies.StoredFile.id).desc())
        .limit(200)
    ).all()
    here = {piece.file.id for piece in item.pieces if piece.file is not None}
    fitting = [row for row in rows if row.id not in here and work.fits(item, row)]
    used: dict[int, list[Text]] = {}
    for file_id, title in session.exec(
        select(col(competencies.Evidence.stored_file_id), col(competencies.EvidenceRequirement.title))
        .join(
            competencies.EvidenceRequirement,
            col(competencies.EvidenceRequirement.id) == col(competencies.Evidence.requirement_id),
        )
        .where(
            col(competencies.Evidence.stored_file_id).in_([pk(row) for row in fitting]),
            col(competencies.Evidence.version_id).is_(None),
        )
    ):
        if file_id is not None:
            used.setdefault(file_id, []).append(title)
    return Shelf(
        uuid=work.submission.uuid,
        code=work.point.code,
        name=work.point.name,
        key=key,
        title=item.requirement.title,
        files=tuple(
            OwnFile(row.uuid, row.filename, row.size_bytes, row.kind, tuple(used.get(pk(row), ()))) for row in fitting
        ),
    )
