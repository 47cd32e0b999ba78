"""A draft and what lies in it: typed text, addresses, files used again, own marks, ticks; each is its author's."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin import media
from lms_plugin.access import Actor, Permission, Scope, own, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, NotFound, Refused
from lms_plugin.flow.humans import today_first
from lms_plugin.people import OrgMembership, OrgUnit, Person, RosterEntry, Tenant

MOST_CHARACTERS = 200_000  # of one typed text with all its parts


@dataclass(frozen=True)
class Judged:
    """A version that was decided, with the award that came of it."""

    version: competencies.SubmissionVersion
    decision: competencies.Decision
    award: competencies.Award | None


@dataclass(frozen=True)
class Work:
    """A submission somebody works on, with all that its rules need.

    `decision` and `award` of the version that was handed in last; `earlier`: versions before it that were decided.
    """

    submission: competencies.Submission
    programme: competencies.Programme
    rules: competencies.Rules
    timezone: str
    point: competencies.CompetencyPoint
    items: tuple[competencies.Item, ...]
    version: competencies.SubmissionVersion | None
    handed_in: tuple[competencies.Item, ...]
    decision: competencies.Decision | None
    award: competencies.Award | None
    earlier: tuple["Judged", ...]
    returned: competencies.ReturnedWork | None

    @property
    def level(self) -> competencies.Level | None:
        """The released level of the version that was handed in last; None while nothing is released of it."""
        return competencies.level_that_stands(self.decision, self.award)

    def item(self, key: str) -> competencies.Item:
        """The requirement of that key. Raises NotFound."""
        for item in self.items:
            if item.requirement.key == key:
                return item
        raise NotFound

    def fits(self, item: competencies.Item, file: competencies.StoredFile) -> bool:
        """Whether the requirement takes a file of this type (told from its content when uploaded) and size."""
        is_small = file.size_bytes <= (item.most_mb(file.kind in {"video", "audio"}) << 20 or file.size_bytes)
        return is_small and media.accepts(media.Inspection(extension=file.extension), list(item.accept)) is not None

    def texts_that_tell(self, traits: "Traits") -> dict[int, list[str]]:
        """Ids of typed pieces in which the author stands, not let pass yet, with the words that tell."""
        found = {}
        for item in self.items:
            for piece in item.pieces:
                if piece.evidence.kind == "text" and not piece.evidence.findings_waived:
                    words = traits.named_in(piece.evidence.text)
                    if words:
                        found[pk(piece.evidence)] = words
        return found

    @property
    def standing(self) -> frozenset[str]:
        """Keys of items that passed before the work came back: nothing more is asked of them."""
        return self.returned.standing if self.returned is not None else frozenset()

    def open_item(self, key: str) -> competencies.Item:
        """The requirement, when its pieces may be changed now. Raises Refused when handed in or passed already."""
        item = self.item(key)
        if self.submission.state not in competencies.EDITABLE:
            raise Conflict("submit.already_handed_in")
        if key in self.standing:
            raise Refused("submit.item_stands")
        return item


@dataclass(frozen=True)
class Traits:
    """What would tell a reviewer who somebody is: every name, staff number and school that is or was theirs."""

    names: tuple[str, ...] = ()
    staff_numbers: tuple[str, ...] = ()
    schools: tuple[str, ...] = ()

    @property
    def needles(self) -> list[str]:
        """The words to blot out."""
        return [*self.names, *self.staff_numbers, *self.schools]

    def named_in(self, text: str) -> list[str]:
        """The words of a text that tell who it is, each once."""
        found = self.found_in(text)
        return list(dict.fromkeys(finding.needle for finding in found))

    def found_in(
        self, text: str, filename: str = "", properties: Mapping[str, str] | None = None
    ) -> "list[media.Finding]":
        """Each place that tells who it is."""
        return media.find_personal(
            text=text,
            filename=filename,
            properties=properties,
            names=self.names,
            staff_numbers=self.staff_numbers,
            schools=self.schools,
        )


_WORK = (
    select(competencies.Submission, competencies.Programme, competencies.ProgrammePolicy, competencies.CompetencyPoint)
    .join(competencies.Programme, col(competencies.Programme.id) == col(competencies.Submission.programme_id))
    .join(
        competencies.ProgrammePolicy,
        col(competencies.ProgrammePolicy.id) == col(competencies.Programme.policy_id),
        isouter=True,
    )
    .join(
        competencies.CompetencyPoint,
        col(competencies.CompetencyPoint.id) == col(competencies.Submission.point_id),
    )
    .where(competencies.Submission.tenant_id == bindparam("tenant"), competencies.Submission.uuid == bindparam("uuid"))
)
_VERSIONS = (
    select(competencies.SubmissionVersion, competencies.Decision, competencies.Award)
    .join(
        competencies.Decision,
        col(competencies.Decision.submission_version_id) == col(competencies.SubmissionVersion.id),
        isouter=True,
    )
    .join(competencies.Award, competencies.revisions.AWARD_OF_DECISION, isouter=True)
    .where(
        competencies.SubmissionVersion.submission_id == bindparam("submission"),
        col(competencies.SubmissionVersion.withdrawn_at).is_(None),
    )
    .order_by(col(competencies.SubmissionVersion.number))
)
_WORK_TO_CHANGE = _WORK.with_for_update(of=competencies.Submission)


def load_work(session: Session, actor: Actor, uuid: str, *, to_change: bool = False) -> Work:
    """The actor's own submission by its uuid with rules and pieces: three queries. Raises NotFound, Forbidden.

    `to_change`: the row is kept for this transaction, so that two saves at once (text here, ticks there) queue up.
    """
    statement = _WORK_TO_CHANGE if to_change else _WORK
    if (row := session.exec(statement, params={"tenant": actor.tenant_id, "uuid": uuid}).one_or_none()) is None:
        raise NotFound
    submission, programme, policy, point = row
    require(actor, Permission.EVIDENCE_EDIT, Scope(tenant_id=submission.tenant_id, owner_id=submission.person_id))
    version, decision, award, earlier = None, None, None, []
    if submission.current_version_id is not None:
        for then, judged, came_of_it in session.exec(_VERSIONS, params={"submission": pk(submission)}):
            if then.id == submission.current_version_id:
                version, decision, award = then, judged, came_of_it
            elif judged is not None:
                earlier.append(Judged(then, judged, came_of_it))
    rules = competencies.Rules.model_validate(policy.rules) if policy is not None else competencies.Rules()
    draft, handed_in = competencies.draft_and_version(session, submission)
    items = tuple(replace(item, files=rules.files) for item in draft)
    return Work(
        submission=submission,
        programme=programme,
        rules=rules,
        timezone=get(session, Tenant, actor.tenant_id).timezone,
        point=point,
        items=items,
        version=version,
        handed_in=handed_in,
        decision=decision,
        award=award,
        earlier=tuple(earlier),
        returned=competencies.returned_work(submission, items, decision, handed_in, award),
    )


_SAID = (
    select(Person.name, Person.staff_number, RosterEntry.name, RosterEntry.staff_number)
    .join(RosterEntry, col(RosterEntry.person_id) == col(Person.id), isouter=True)
    .where(col(Person.id).in_(bindparam("rows", expanding=True)))
    .order_by(today_first(Person.id), col(Person.id), col(RosterEntry.id))
)
_SCHOOLS = (
    select(OrgUnit.name)
    .join(OrgMembership, col(OrgMembership.org_unit_id) == col(OrgUnit.id))
    .where(col(OrgMembership.person_id).in_(bindparam("rows", expanding=True)))
    .order_by(today_first(OrgMembership.person_id), col(OrgMembership.starts_on).desc(), col(OrgMembership.id).desc())
)


def own_traits(session: Session, actor: Actor) -> Traits:
    """All by which the actor may be known. Two queries."""
    require(actor, Permission.EVIDENCE_EDIT, own(actor))
    return traits_of(session, actor.person_ids)


def traits_of(session: Session, rows: Sequence[int]) -> Traits:
    """By what a human being may be known: names and staff numbers of their rows (today's first) and as the roster has
    them, schools of today and before. Two queries."""
    of = {"rows": rows, "today": rows[0]}
    said, schools = session.execute(_SAID, of).all(), session.execute(_SCHOOLS, of).scalars().all()
    return Traits(
        _each_once([name for name, _number, _listed, _theirs in said], [listed for _n, _s, listed, _t in said]),
        _each_once([number for _n, number, _l, _t in said], [theirs for _n, _s, _l, theirs in said]),
        _each_once(schools),
    )


def _each_once(*lists: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for words in lists for word in words if word))


def school_of(session: Session, actor: Actor) -> OrgUnit | None:
    """The actor's present school; None when they have none."""
    require(actor, Permission.EVIDENCE_EDIT, own(actor))
    return session.exec(
        select(OrgUnit)
        .join(OrgMembership, col(OrgMembership.org_unit_id) == col(OrgUnit.id))
        .where(col(OrgMembership.person_id).in_(actor.person_ids), col(OrgMembership.ends_on).is_(None))
        .order_by(
            today_first(OrgMembership.person_id),
            col(OrgMembership.starts_on).desc(),
            col(OrgMembership.id).desc(),
        ),
        params={"today": actor.person_id},
    ).first()


def save_text(
    session: Session,
    actor: Actor,
    submission_uuid: str,
    key: str,
    parts: Mapping[str, str],
    version: int,
    now: datetime,
) -> competencies.Evidence:
    """Saves the typed text of a requirement; `parts`: criterion key → text; `version`: what the page was made from.

    Raises Conflict `evidence.edited_elsewhere` (params: version, mine, theirs) when another tab saved since.
    """
    work = load_work(session, actor, submission_uuid, to_change=True)
    item = work.open_item(key)
    if not item.takes("text"):
        raise Refused("evidence.kind_not_taken")
    lines = criteria_by_key(session, actor, [item], work.submission).get(key, ())
    allowed = {line.key for line in lines} or {rubrics.VALIDITY_KEY}
    if sum(len(text) for text in parts.values()) > MOST_CHARACTERS:
        length = sum(len(text) for text in parts.values())
        raise Refused("text.too_long", limit=MOST_CHARACTERS, length=length)
    clean = {name: media.clean_text(text) for name, text in parts.items() if name in allowed}
    row = next((piece.evidence for piece in item.pieces if piece.evidence.kind == "text"), None)
    if row is None:
        if version != 0:
            raise Conflict("evidence.edited_elsewhere", version=0, mine=clean, theirs={})
        row = competencies.Evidence(
            submission_id=pk(work.submission),
            requirement_id=pk(item.requirement),
            kind="text",
            version=0,
            changed_at=now,
        )
        if not any(text.strip() for text in clean.values()):
            return row  # nothing typed yet: nothing to keep
    elif row.version != version:
        if row.parts == clean:
            return row  # the other tab typed the same
        raise Conflict("evidence.edited_elsewhere", version=row.version, mine=clean, theirs=dict(row.parts))
    text = _joined(lines, clean)
    if row.version == 0 or row.parts != clean:
        row.findings_waived = row.findings_waived and row.text == text
        row.parts, row.text, row.version, row.changed_at = clean, text, row.version + 1, now
        session.add(row)
        _touch(session, work.submission, now)
    return row


def _joined(lines: tuple[rubrics.CriterionText, ...], parts: Mapping[str, str]) -> str:
    """All that was typed as one text, each part under what the criterion asks for."""
    pieces = []
    for line in lines:
        written = parts.get(line.key, "").strip()
        if written:
            asked = dict(line.texts.get(1) or line.texts.get(2) or {}).get("zh", "")
            pieces.append(f"{asked}\n{written}" if asked else written)
    return "\n\n".join(pieces)


def add_link(
    session: Session, actor: Actor, submission_uuid: str, key: str, url: str, now: datetime
) -> competencies.Evidence:
    """Adds an address where the requirement takes one. Raises Refused `evidence.link_not_http`."""
    work = load_work(session, actor, submission_uuid, to_change=True)
    item = work.open_item(key)
    if not item.takes("link"):
        raise Refused("evidence.kind_not_taken")
    return attach(session, actor, work, item, now, kind="link", url=media.clean_link(url))


def reuse_file(
    session: Session, actor: Actor, submission_uuid: str, key: str, file_uuid: str, now: datetime
) -> competencies.Evidence:
    """Uses a file that the actor has uploaded before here too; the bytes are kept once.

    Raises NotFound for somebody else's file, Refused when the requirement does not take its type.
    """
    work = load_work(session, actor, submission_uuid, to_change=True)
    item = work.open_item(key)
    file = find(session, competencies.StoredFile, actor.tenant_id, file_uuid)
    session.refresh(file, with_for_update=True)  # it may be on its way out, unused for long
    if not actor.is_author(file.person_id) or file.state is not competencies.FileState.READY:
        raise NotFound
    if not work.fits(item, file):
        raise Refused("file.type_not_taken", accept="、".join(item.accept))
    if here := [piece.evidence for piece in item.pieces if piece.file is not None and piece.file.id == file.id]:
        return here[0]
    file.unused_since_at = None  # the session knows it: it is written with the rest
    return attach(session, actor, work, item, now, kind="file", stored_file_id=pk(file))


def attach(
    session: Session, actor: Actor, work: Work, item: competencies.Item, now: datetime, **what: Any
) -> competencies.Evidence:
    """Puts one more piece into a requirement's place. Raises Refused `evidence.too_many`."""
    require(actor, Permission.EVIDENCE_EDIT, Scope(work.submission.tenant_id, work.submission.person_id))
    if len(item.pieces) >= item.most_pieces:
        raise Refused("evidence.too_many", most=item.most_pieces)
    row = competencies.Evidence(
        submission_id=pk(work.submission),
        requirement_id=pk(item.requirement),
        position=max((piece.evidence.position for piece in item.pieces), default=0) + 1,
        changed_at=now,
        **what,
    )
    session.add(row)
    _touch(session, work.submission, now)
    return row


def remove_piece(session: Session, actor: Actor, submission_uuid: str, key: str, ref: str, now: datetime) -> None:
    """Takes a piece out of the draft; versions that were handed in keep theirs, and so do other points."""
    work = load_work(session, actor, submission_uuid, to_change=True)
    piece = work.open_item(key).piece(ref)
    session.delete(piece.evidence)
    _touch(session, work.submission, now)


def save_self_marks(
    session: Session,
    actor: Actor,
    submission_uuid: str,
    marks: Mapping[str, Mapping[str, int]],
    edition: str,
    now: datetime,
) -> competencies.Submission:
    """Saves 自评 as far as it goes; marks of other criteria than the point's are dropped.

    `edition`: what the page was made from. Raises Conflict `submit.self_elsewhere` (params: version, mine, theirs)
    when another window saved other marks since.
    """
    work = load_work(session, actor, submission_uuid, to_change=True)
    if work.submission.state not in competencies.EDITABLE:
        raise Conflict("submit.already_handed_in")
    lines = criteria_by_key(session, actor, work.items, work.submission)
    kept: dict[str, dict[str, int]] = {key: dict(value) for key, value in work.submission.self_marks.items()}
    for key, given in marks.items():
        choices = {line.key: line.choices for line in lines.get(key, ())}
        for name, level in given.items():
            if level in choices.get(name, ()):
                kept.setdefault(key, {})[name] = level
    if kept != work.submission.self_marks:
        _require_edition("submit.self_elsewhere", work.submission.self_marks, kept, edition)
        work.submission.self_marks = kept
        _touch(session, work.submission, now)
    return work.submission


def save_ticks(
    session: Session,
    actor: Actor,
    submission_uuid: str,
    ticks: Mapping[str, Collection[str]],
    edition: str,
    now: datetime,
) -> competencies.Submission:
    """Saves which of the checks before submitting the teacher has ticked.

    Raises Conflict `submit.ticks_elsewhere` as `save_self_marks` does.
    """
    work = load_work(session, actor, submission_uuid, to_change=True)
    if work.submission.state not in competencies.EDITABLE:
        raise Conflict("submit.already_handed_in")
    kept = {}
    for item in work.items:
        key = item.requirement.key
        known = {check["key"] for check in item.requirement.checks} | {competencies.LENGTH_OVER}
        chosen = sorted(known & set(ticks.get(key, ())))
        if chosen:
            kept[key] = chosen
    if kept != work.submission.ticks:
        _require_edition("submit.ticks_elsewhere", work.submission.ticks, kept, edition)
        work.submission.ticks = kept
        _touch(session, work.submission, now)
    return work.submission


def _require_edition(code: str, theirs: Mapping[str, Any], mine: Mapping[str, Any], edition: str) -> None:
    now_is = competencies.edition(theirs)
    if edition != now_is:
        raise Conflict(code, version=now_is, mine=mine, theirs=dict(theirs))


def criteria_by_key(
    session: Session, actor: Actor, items: Collection[competencies.Item], submission: competencies.Submission
) -> dict[str, tuple[rubrics.CriterionText, ...]]:
    """Requirement key → its criteria, as everybody who takes part may read them: of a work that came back, those that
    it was judged by. Two queries."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    last = submission.current_version_id
    judged = rubrics.judged_by(session, [last]) if last is not None else {}
    versions = {
        i.requirement.key: judged.get((last or 0, pk(i.requirement)), i.requirement.rubric_version_id)
        for i in items
        if i.requirement.rubric_version_id
    }
    found = rubrics.criteria_of(session, [key for key in versions.values() if key is not None])
    return {key: found[version] for key, version in versions.items() if version is not None}


def _touch(session: Session, submission: competencies.Submission, now: datetime) -> None:
    submission.changed_at = now
    session.add(submission)
    session.flush()
