"""Who may do what: one table. Flow functions call `require` first; templates ask `can` only to hide buttons."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from lms_plugin.errors import Forbidden, NotFound, Refused
from lms_plugin.people import RoleKind


@dataclass(frozen=True)
class RoleScope:
    """One role of a person and how far it reaches: a course, a unit's subtree (`unit_path`), or the whole district."""

    kind: RoleKind
    course_id: int | None = None
    unit_path: str = ""
    is_provisional: bool = False

    @property
    def is_district_wide(self) -> bool:
        """No unit, or the root of the district's tree: the whole district, also those who belong to no unit yet."""
        return self.course_id is None and self.unit_path.count("/") in {0, 2}

    def reaches(self, scope: "Scope") -> bool:
        """Whether the thing lies within this role's reach; a 考核小组 reaches what it decides, and nothing else."""
        if self.kind is RoleKind.PANEL:
            return bool(self.unit_path) and scope.panel_path.startswith(self.unit_path)
        if self.course_id is not None:
            return self.course_id in scope.course_ids
        if self.is_district_wide:
            return True
        return any(path.startswith(self.unit_path) for path in scope.unit_paths)


@dataclass(frozen=True)
class Actor:
    """A person acting in one district, as the session says. Everything below the edge gets one of these."""

    tenant_id: int
    person_id: int
    roles: tuple[RoleScope, ...] = ()
    course_id: int | None = None
    locale: str = "zh-Hans"
    absorbed_ids: tuple[int, ...] = ()  # rows that were found to be the same human being: their work is own work
    is_guessable: bool = False  # the platform proves nobody (lti.proves_who), nor did they (flow/proofs.py)

    @property
    def person_ids(self) -> tuple[int, ...]:
        """All rows of this human being, the row of today first: what is read of "the person" is read over these."""
        return (self.person_id, *self.absorbed_ids)

    def is_author(self, person_id: int) -> bool:
        """Whether a row of a person is this human being, now or before a merge."""
        return person_id in self.person_ids

    def has(self, *kinds: RoleKind) -> bool:
        """Whether the person holds one of these roles anywhere."""
        return any(role.kind in kinds for role in self.roles)


@dataclass(frozen=True)
class Scope:
    """What a permission check needs to know of a thing: whose it is, in which units and courses it lies.

    `panel_path`: the school whose 考核小组 decides it; "" = trainers do.
    """

    tenant_id: int
    owner_id: int | None = None
    reviewer_id: int | None = None
    unit_paths: tuple[str, ...] = ()
    course_ids: frozenset[int] = field(default_factory=frozenset)
    panel_path: str = ""


class Permission(enum.Enum):
    POINTS_CHOOSE = "points.choose"
    EVIDENCE_EDIT = "evidence.edit"
    EVIDENCE_READ = "evidence.read"
    SUBMISSION_SUBMIT = "submission.submit"
    REVIEW_SUBMIT = "review.submit"
    REVIEW_CLAIM = "review.claim"
    REVIEW_ALLOCATE = "review.allocate"
    RELIABILITY_READ = "reliability.read"
    REVIEW_KEEP_APART = "review.keep_apart"
    CALIBRATION_KEEP = "calibration.keep"
    CASE_READ = "case.read"
    CASE_DECIDE = "case.decide"
    CASE_UNDO = "case.undo"
    TRAIL_READ = "trail.read"
    AWARD_RELEASE = "award.release"
    CHOICE_CHANGE = "choice.change"
    PANEL_NAME = "panel.name"
    CHAIN_READ = "chain.read"
    BATCH_CLOSE = "batch.close"
    BATCH_CHECK = "batch.check"
    UPPER_CHECK = "upper.check"
    OBJECTION_RAISE = "objection.raise"
    OBJECTION_ANSWER = "objection.answer"
    MESSAGES_READ = "messages.read"
    APPEAL_RAISE = "appeal.raise"
    APPEAL_REVIEW = "appeal.review"
    APPEAL_READ = "appeal.read"
    APPEAL_PANEL = "appeal.panel"
    CREDIT_REVERSE = "credit.reverse"
    RETAKE_OPEN = "retake.open"
    RECORD_READ = "record.read"
    CERTIFICATE_READ = "certificate.read"
    CERTIFICATE_ISSUE = "certificate.issue"
    CERTIFICATE_TAKE = "certificate.take"
    CERTIFICATE_BUNDLE = "certificate.bundle"
    SEAL_USE = "seal.use"
    DELIVERIES_READ = "deliveries.read"
    SCORE_RESEND = "score.resend"
    COURSE_BIND = "course.bind"
    COURSE_REBIND = "course.rebind"
    COURSE_CHECK = "course.check"
    COURSE_PEOPLE = "course.people"
    LINK_CHOOSE = "link.choose"
    PLATFORM_MANAGE = "platform.manage"
    PROGRAMME_EDIT = "programme.edit"
    PROGRAMME_READ = "programme.read"
    FRAMEWORK_CURATE = "framework.curate"
    PERSON_INTRODUCE = "person.introduce"
    PERSON_CONFIRM = "person.confirm"
    PERSON_MERGE = "person.merge"
    PERSON_DATA = "person.data"
    UNIT_EDIT = "unit.edit"
    ROSTER_IMPORT = "roster.import"
    HOURS_IMPORT = "hours.import"
    TRAINING_HOLD = "training.hold"
    TRAINING_READ = "training.read"
    TRAINING_CORRECT = "training.correct"
    TRAINING_ATTEND = "training.attend"
    TEACHER_EXEMPT = "teacher.exempt"
    ROLE_INVITE = "role.invite"
    INVITATION_ACCEPT = "invitation.accept"
    PROOF_GIVE = "proof.give"
    PROOF_SET = "proof.set"
    PROOF_CODE = "proof.code"
    PROGRESS_READ = "progress.read"
    PLAN_READ = "plan.read"
    PLAN_EDIT = "plan.edit"
    PLAN_DECIDE = "plan.decide"
    PLAN_ASK = "plan.ask"
    SETTINGS_CHOOSE = "settings.choose"
    HOURS_ASK = "hours.ask"
    HOURS_ANSWER = "hours.answer"
    TRANSFER_ASK = "transfer.ask"
    TRANSFER_RELEASE = "transfer.release"
    TRANSFER_TAKE = "transfer.take"
    TENANT_LEAVE = "tenant.leave"
    LEDGER_AUDIT = "ledger.audit"
    LEDGER_FIND = "ledger.find"


Predicate = Callable[[Actor, Scope], bool]


def _is_own(actor: Actor, scope: Scope) -> bool:
    return scope.owner_id is not None and actor.is_author(scope.owner_id)


def _is_not_own(actor: Actor, scope: Scope) -> bool:
    return scope.owner_id is None or not actor.is_author(scope.owner_id)


def _is_for_trainers(actor: Actor, scope: Scope) -> bool:
    return not scope.panel_path


def _is_reviewer(actor: Actor, scope: Scope) -> bool:
    return scope.reviewer_id is not None and actor.is_author(scope.reviewer_id)


def _holds(*kinds: RoleKind, confirmed: bool = False) -> Predicate:
    def check(actor: Actor, scope: Scope) -> bool:
        return any(
            role.kind in kinds and role.reaches(scope) and not (confirmed and role.is_provisional)
            for role in actor.roles
        )

    return check


_trainer = _holds(RoleKind.TRAINER)
_confirmed_trainer = _holds(RoleKind.TRAINER, confirmed=True)
_panel = _holds(RoleKind.PANEL)
_lead = _holds(RoleKind.SCHOOL_LEAD)
_officer = _holds(RoleKind.OFFICER)
_auditor = _holds(RoleKind.AUDITOR)
_it = _holds(RoleKind.IT)
_seal = _holds(RoleKind.SEAL)

# Each permission: alternatives, each a list of conditions that must all hold.
POLICY: dict[Permission, list[list[Predicate]]] = {
    Permission.POINTS_CHOOSE: [[_is_own]],
    Permission.EVIDENCE_EDIT: [[_is_own]],
    Permission.EVIDENCE_READ: [[_is_own], [_is_reviewer], [_trainer], [_panel], [_officer], [_auditor]],
    Permission.SUBMISSION_SUBMIT: [[_is_own]],
    Permission.REVIEW_SUBMIT: [[_is_reviewer, _is_not_own]],
    Permission.REVIEW_CLAIM: [[_is_own]],
    Permission.REVIEW_ALLOCATE: [[_officer], [_confirmed_trainer]],
    Permission.CALIBRATION_KEEP: [[_officer], [_confirmed_trainer]],  # asked of the whole programme
    Permission.RELIABILITY_READ: [[_officer], [_auditor], [_confirmed_trainer]],  # asked of the whole programme
    Permission.REVIEW_KEEP_APART: [[_lead, _is_not_own], [_officer, _is_not_own]],  # of both people
    Permission.CASE_READ: [[_trainer, _is_not_own], [_panel, _is_not_own], [_officer, _is_not_own], [_auditor]],
    Permission.CASE_DECIDE: [[_trainer, _is_for_trainers, _is_not_own], [_panel, _is_not_own]],
    Permission.TRAIL_READ: [[_auditor, _is_not_own]],  # names of reviewers are open to auditors alone
    Permission.CASE_UNDO: [[_trainer, _is_for_trainers, _is_not_own], [_panel, _is_not_own], [_officer, _is_not_own]],
    Permission.AWARD_RELEASE: [[_officer], [_confirmed_trainer]],
    Permission.CHOICE_CHANGE: [[_lead, _is_not_own], [_officer, _is_not_own]],
    Permission.PANEL_NAME: [[_lead], [_officer]],
    Permission.CHAIN_READ: [[_lead], [_officer], [_auditor], [_confirmed_trainer], [_panel]],
    Permission.BATCH_CLOSE: [[_lead], [_officer]],
    Permission.BATCH_CHECK: [[_officer, _is_not_own], [_confirmed_trainer, _is_not_own]],  # asked of the whole county
    Permission.UPPER_CHECK: [[_officer, _is_not_own], [_confirmed_trainer, _is_not_own]],  # of the whole city, province
    Permission.OBJECTION_RAISE: [[_is_own]],
    Permission.OBJECTION_ANSWER: [[_officer, _is_not_own]],
    Permission.MESSAGES_READ: [[_is_own]],
    Permission.APPEAL_RAISE: [[_is_own]],
    Permission.APPEAL_REVIEW: [[_is_reviewer, _is_not_own]],
    Permission.APPEAL_READ: [[_officer, _is_not_own], [_auditor, _is_not_own]],
    Permission.APPEAL_PANEL: [[_officer, _is_not_own]],
    Permission.CREDIT_REVERSE: [[_officer, _is_not_own]],
    Permission.RETAKE_OPEN: [[_officer, _is_not_own]],
    Permission.RECORD_READ: [[_is_own], [_lead], [_officer], [_auditor], [_trainer]],
    Permission.CERTIFICATE_READ: [[_is_own], [_lead], [_officer], [_auditor]],
    Permission.CERTIFICATE_ISSUE: [[_officer, _is_not_own]],
    Permission.CERTIFICATE_TAKE: [[_is_own]],
    Permission.CERTIFICATE_BUNDLE: [[_officer]],  # asked of the unit whose people it holds
    Permission.SEAL_USE: [[_seal]],
    Permission.DELIVERIES_READ: [[_officer], [_trainer], [_it]],
    Permission.SCORE_RESEND: [[_is_own], [_officer], [_trainer], [_it]],
    Permission.COURSE_BIND: [[_trainer], [_officer]],
    Permission.COURSE_REBIND: [[_officer]],
    Permission.COURSE_CHECK: [[_trainer], [_officer], [_it]],
    Permission.COURSE_PEOPLE: [[_trainer], [_officer]],
    Permission.LINK_CHOOSE: [[_is_own, _trainer]],
    Permission.PLATFORM_MANAGE: [[_it], [_officer]],  # asked of the whole district: a part of it does not reach
    Permission.PROGRAMME_EDIT: [[_officer]],
    Permission.PROGRAMME_READ: [[_officer], [_auditor]],
    Permission.FRAMEWORK_CURATE: [[_officer]],
    Permission.PERSON_INTRODUCE: [[_is_own]],
    Permission.PERSON_CONFIRM: [[_lead, _is_not_own], [_officer, _is_not_own]],
    Permission.PERSON_MERGE: [[_officer]],
    Permission.PERSON_DATA: [[_is_own], [_officer]],
    Permission.UNIT_EDIT: [[_officer]],
    Permission.ROSTER_IMPORT: [[_officer]],
    Permission.HOURS_IMPORT: [[_officer]],
    Permission.TRAINING_HOLD: [[_lead], [_officer]],
    Permission.TRAINING_READ: [[_lead], [_officer], [_auditor]],
    Permission.TRAINING_CORRECT: [[_lead, _is_not_own], [_officer, _is_not_own]],
    Permission.TRAINING_ATTEND: [[_is_own]],
    Permission.TEACHER_EXEMPT: [[_officer, _is_not_own]],
    Permission.ROLE_INVITE: [[_officer]],
    Permission.INVITATION_ACCEPT: [[_is_own]],
    Permission.PROOF_GIVE: [[_is_own]],
    Permission.PROOF_SET: [[_is_own]],
    Permission.PROOF_CODE: [[_lead, _is_not_own], [_officer, _is_not_own]],
    Permission.PROGRESS_READ: [[_lead], [_officer], [_auditor]],
    Permission.PLAN_READ: [[_lead], [_officer], [_auditor]],
    Permission.PLAN_EDIT: [[_lead], [_officer]],
    Permission.PLAN_DECIDE: [[_officer, _is_not_own]],
    Permission.PLAN_ASK: [[_officer]],
    Permission.SETTINGS_CHOOSE: [[_is_own]],
    Permission.HOURS_ASK: [[_is_own]],
    Permission.HOURS_ANSWER: [[_officer, _is_not_own]],
    Permission.TRANSFER_ASK: [[_is_own]],
    Permission.TRANSFER_RELEASE: [[_officer, _is_not_own]],
    Permission.TRANSFER_TAKE: [[_officer, _is_not_own]],
    Permission.TENANT_LEAVE: [[_officer]],  # asked of the whole district; IT sees no evidence, so not IT
    Permission.LEDGER_AUDIT: [[_auditor]],
    Permission.LEDGER_FIND: [[_auditor, _is_not_own]],  # a finding about an entry; nobody audits their own hours
}

NEEDS_PROOF = frozenset(
    {
        # what decides, publishes, or makes hours and papers
        *(Permission.CASE_DECIDE, Permission.CASE_UNDO, Permission.AWARD_RELEASE, Permission.RETAKE_OPEN),
        *(Permission.BATCH_CLOSE, Permission.BATCH_CHECK, Permission.OBJECTION_ANSWER, Permission.APPEAL_PANEL),
        *(Permission.CREDIT_REVERSE, Permission.CERTIFICATE_ISSUE, Permission.HOURS_ANSWER, Permission.HOURS_IMPORT),
        *(Permission.TRAINING_HOLD, Permission.TRAINING_CORRECT, Permission.TEACHER_EXEMPT, Permission.PLAN_DECIDE),
        *(Permission.TRANSFER_RELEASE, Permission.TRANSFER_TAKE, Permission.UPPER_CHECK),
        # by which rules
        *(Permission.PROGRAMME_EDIT, Permission.FRAMEWORK_CURATE),
        # who may do so, from where, and as whom
        *(Permission.ROLE_INVITE, Permission.PANEL_NAME, Permission.PERSON_CONFIRM, Permission.PERSON_MERGE),
        *(Permission.PLATFORM_MANAGE, Permission.TENANT_LEAVE, Permission.PROOF_SET, Permission.PROOF_CODE),
    }
)
"""认定, 公示, 用印 and what leads to them: who came from a platform whose launches prove nobody has to prove themselves
first (ADR 0045). The seal asks at its own acts: its keeper may look at it (`flow/unit_seals.py`)."""


def can(actor: Actor, permission: Permission, scope: Scope) -> bool:
    """Whether the actor may do this to a thing of that scope; some things they have to prove themselves for first."""
    return scope.tenant_id == actor.tenant_id and any(
        all(condition(actor, scope) for condition in way) for way in POLICY[permission]
    )


def require(actor: Actor, permission: Permission, scope: Scope) -> None:
    """Raises NotFound for another tenant's thing, Forbidden where the actor's roles do not reach it, Refused
    `proof.needed` where they do and the actor has to prove themselves first."""
    if scope.tenant_id != actor.tenant_id:
        raise NotFound
    if not can(actor, permission, scope):
        raise Forbidden(permission=permission.value)
    if permission in NEEDS_PROOF:
        require_proof(actor)


def require_proof(actor: Actor) -> None:
    """Raises Refused `proof.needed` where nobody knows that it is really this person."""
    if actor.is_guessable:
        raise Refused("proof.needed")


def own(actor: Actor) -> Scope:
    """The scope of what is the actor's own."""
    return Scope(tenant_id=actor.tenant_id, owner_id=actor.person_id)


def somewhere(actor: Actor) -> Scope:
    """A scope that every role of the actor reaches: whether somebody may do a thing to anything at all."""
    return Scope(
        actor.tenant_id,
        unit_paths=tuple(role.unit_path for role in actor.roles if role.unit_path),
        course_ids=frozenset(role.course_id for role in actor.roles if role.course_id is not None),
        panel_path=next((role.unit_path for role in actor.roles if role.kind is RoleKind.PANEL), ""),
    )
