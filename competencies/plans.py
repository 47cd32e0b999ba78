"""整校推进: the plan that a school hands in for a programme, and what it must hold (competency.md 3.2).

The county asks for plans (`PlanCall`: which papers, until when); each school fills in one `SchoolPlan`: its papers, a
management team of 3 to 5 people led by one of them, and the environment it declares.
"""

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field, Session, col, select

from lms_plugin.db import Model, Owned, Versioned, choice
from lms_plugin.errors import Invalid

PAPERS = (
    "学校信息化教育教学发展规划",
    "校本研修方案",
    "学科组研修计划",
    "校本应用考核方案",
    "教师个人提升目标",
)
"""The papers that a county asks for by default ("三案一标" and the school's plan)."""
MOST_PAPERS, LONGEST_PAPER, MOST_FILES = 12, 60, 20  # files: of one paper, such as a plan of each subject group
LEAST_TEAM, MOST_TEAM, LONGEST_NAME = 3, 5, 50


class PlanState(enum.Enum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    RETURNED = "returned"  # the county wants something changed, and says what
    ACCEPTED = "accepted"


OPEN_PLANS = frozenset({PlanState.DRAFT, PlanState.RETURNED})
"""States in which the school may change its plan."""


class TeamDuty(enum.Enum):
    """What somebody of the management team does; the leader (校长负责) is one person."""

    LEADER = "leader"
    TEACHING = "teaching"
    ICT = "ict"
    SUBJECT = "subject"
    OTHER = "other"


class PlanEventKind(enum.Enum):
    SUBMITTED = "submitted"
    WITHDRAWN = "withdrawn"
    RETURNED = "returned"
    ACCEPTED = "accepted"


class PlanCall(Versioned, table=True):
    """The county asks each school of a programme for a plan: which papers it holds and until when."""

    __tablename__ = "plan_call"
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id", unique=True)
    papers: list[str] = Field(sa_column=Column(JSON, nullable=False))
    due_on: date | None = None
    is_open: bool = Field(default=True)
    changed_at: datetime
    changed_by_id: int = Field(foreign_key="person.id")


class SchoolPlan(Owned, Versioned, table=True):
    """One school's plan for one programme. `team`: [{"name", "duty"}] in the order of the page."""

    __tablename__ = "school_plan"
    __table_args__ = (UniqueConstraint("programme_id", "org_unit_id"), UniqueConstraint("tenant_id", "id"))
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    org_unit_id: int = Field(foreign_key="org_unit.id", index=True)
    state: PlanState = Field(default=PlanState.DRAFT, sa_type=choice(PlanState))
    team: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    environment: str = Field(default="", max_length=32)
    submitted_by_id: int | None = Field(default=None, foreign_key="person.id")
    created_at: datetime
    changed_at: datetime


class PlanPaper(Owned, table=True):
    """A file of a plan, under the name of the paper that the county asked for.

    `removed_at`: taken out after it had been handed in once; what the county saw then stays.
    """

    __tablename__ = "plan_paper"
    id: int | None = Field(default=None, primary_key=True)
    plan_id: int = Field(foreign_key="school_plan.id", index=True)
    paper: str = Field(max_length=LONGEST_PAPER)
    stored_file_id: int = Field(foreign_key="stored_file.id", index=True)
    added_by_id: int = Field(foreign_key="person.id")
    added_at: datetime
    removed_at: datetime | None = None


class PlanEvent(Model, table=True):
    """What happened to a plan, never changed. `manifest`: what it held then: papers with SHA-256, team, environment."""

    __tablename__ = "plan_event"
    id: int | None = Field(default=None, primary_key=True)
    plan_id: int = Field(foreign_key="school_plan.id", index=True)
    kind: PlanEventKind = Field(sa_type=choice(PlanEventKind))
    person_id: int = Field(foreign_key="person.id")
    reason: str = Field(default="", max_length=1000)
    manifest: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    at: datetime


@dataclass(frozen=True)
class TeamMember:
    """Somebody of the management team, by name: not each of them uses the platform."""

    name: str
    duty: TeamDuty


@dataclass(frozen=True)
class PlanLack:
    """What a plan still lacks before it can be handed in; nothing lacking is False."""

    papers: tuple[str, ...]
    team: int  # people
    leader: bool
    environment: bool

    def __bool__(self) -> bool:
        return bool(self.papers or self.team or self.leader or self.environment)


def lacks(wanted: Sequence[str], present: Collection[str], team: Sequence[TeamMember], environment: str) -> PlanLack:
    """What is missing of the papers that are `wanted`, of the team, and of the declared environment."""
    return PlanLack(
        papers=tuple(paper for paper in wanted if paper not in present),
        team=max(0, LEAST_TEAM - len(team)),
        leader=all(member.duty is not TeamDuty.LEADER for member in team),
        environment=not environment,
    )


def team_of(lines: Sequence[tuple[str, str]]) -> tuple[TeamMember, ...]:
    """The team from (name, duty) as typed; empty lines are left out. It may be too small while the plan is a draft.

    Raises Invalid at "team" (more than five people, two leaders, the same name twice), "team.N.name" (too long, or no
    plain text) or "team.N.duty" (none chosen).
    """
    found: list[TeamMember] = []
    wrong: dict[str, Any] = {}
    for number, (typed, duty) in enumerate(lines, start=1):
        name = " ".join(typed.split())
        if not name:
            continue
        if len(name) > LONGEST_NAME:
            wrong[f"team.{number}.name"] = ("form.too_long", {"longest": LONGEST_NAME})
        elif not name.isprintable():
            wrong[f"team.{number}.name"] = "form.unprintable"
        elif duty not in {one.value for one in TeamDuty}:
            wrong[f"team.{number}.duty"] = "form.choose"
        else:
            found.append(TeamMember(name, TeamDuty(duty)))
    if not wrong:
        if len(found) > MOST_TEAM:
            wrong["team"] = ("plan.team_large", {"most": MOST_TEAM})
        elif len({member.name for member in found}) < len(found):
            wrong["team"] = "plan.name_twice"
        elif sum(member.duty is TeamDuty.LEADER for member in found) > 1:
            wrong["team"] = "plan.two_leaders"
    if wrong:
        raise Invalid(wrong)
    return tuple(found)


def was_handed_in(session: Session, plan_id: int) -> bool:
    """Whether the county has ever had this plan."""
    return session.exec(select(PlanEvent.id).where(PlanEvent.plan_id == plan_id)).first() is not None


def plan_events(session: Session, plan_id: int) -> list[PlanEvent]:
    """What happened to a plan, the newest first."""
    statement = select(PlanEvent).where(PlanEvent.plan_id == plan_id)
    return list(session.exec(statement.order_by(col(PlanEvent.at).desc(), col(PlanEvent.id).desc())))


def papers_of(text: str) -> tuple[str, ...]:
    """The names of papers, one a line, each once. Raises Invalid at "papers" (none, too many, one too long)."""
    found = tuple(dict.fromkeys(name for line in text.splitlines() if (name := " ".join(line.split()))))
    if not found:
        raise Invalid({"papers": "plan.papers_missing"})
    if len(found) > MOST_PAPERS:
        raise Invalid({"papers": ("plan.papers_many", {"most": MOST_PAPERS})})
    for name in found:
        if len(name) > LONGEST_PAPER:
            raise Invalid({"papers": ("plan.paper_long", {"name": name[:20], "longest": LONGEST_PAPER})})
        if not name.isprintable():
            raise Invalid({"papers": "form.unprintable"})
    return found
