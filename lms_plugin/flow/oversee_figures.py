"""The figures of a programme, counted by the database: who should take part, how far each of them has come.

A person counts once, however many rows a merge left behind. Every stage contains the next one by construction: who has
passed has handed in, who has handed in has chosen, who has chosen has logged in. Whether somebody has passed is asked
of `competencies.person_result` alone: the database only groups people who stand alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import add, attrgetter
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.orm import aliased
from sqlmodel import col

from competencies import Category, Level, Result, Rules, person_result
from lms_plugin.flow import categories
from lms_plugin.flow.oversee_facts import enrolled, hours, points
from lms_plugin.people import CohortPlace, Exemption, OrgMembership, OrgUnit, Person, RosterEntry

FINISHED = (Result.PASSED, Result.EXCELLENT)


@dataclass(frozen=True)
class Tally:
    """How many people of some units stand where. Hours are sums over those who should take part, in hundredths."""

    due: int = 0
    exempt: int = 0
    logged_in: int = 0
    chosen: int = 0
    submitted: int = 0
    passed: int = 0
    excellent: int = 0
    practice_hundredths: int = 0
    online_hundredths: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*map(add, _counts(self), _counts(other)))

    @property
    def unfinished(self) -> int:
        """Who should take part and has not passed."""
        return self.due - self.passed

    def missing(self, goal_percent: int) -> int:
        """How many more must pass until the goal is reached; 0 where it is."""
        return max(0, -(-self.due * goal_percent // 100) - self.passed)

    @property
    def pass_tenths(self) -> int | None:
        """合格率 in tenths of a per cent, rounded down so that 90.0 is never shown too early; None of nobody."""
        return 1000 * self.passed // self.due if self.due else None

    @property
    def login_tenths(self) -> int | None:
        """参训率 in tenths of a per cent, rounded down; None of nobody."""
        return 1000 * self.logged_in // self.due if self.due else None

    @property
    def nested(self) -> tuple[int, int, int, int, int]:
        """The five stages, each within the one before."""
        return (self.logged_in, self.chosen, self.submitted, self.passed, self.excellent)


_counts = attrgetter(*(one.name for one in fields(Tally)))


@dataclass(frozen=True)
class Standing:
    """Points passed and excellent (each at most the required number), whether those passed are what the choice rule
    wants, and whether the hours are reached. `category`: whose rules that goes by, None where all have the same."""

    passed: int
    excellent: int
    meets_rule: bool
    hours_ok: bool
    category: Category | None = None

    def result(self, rules: Rules, is_closed: bool) -> Result:
        """The result of a person who stands so."""
        rules = rules.for_category(self.category)
        levels = [Level.EXCELLENT] * self.excellent + [Level.PASS] * (self.passed - self.excellent)
        return person_result(
            levels,
            rules.choice.required_points,
            rules.result.excellent_points,
            self.hours_ok if rules.result.needs_hours else None,
            is_closed,
            meets_rule=self.meets_rule,
        )


@dataclass(frozen=True)
class Group:
    """People of one unit who stand alike."""

    path: str
    is_exempt: bool
    logged_in: bool
    chosen: bool
    submitted: bool
    standing: Standing
    people: int
    practice_hundredths: int
    online_hundredths: int

    def tally(self, rules: Rules, is_closed: bool) -> Tally:
        """This group as figures: the exempt count apart and nowhere else."""
        if self.is_exempt:
            return Tally(exempt=self.people)
        result = self.standing.result(rules, is_closed)
        return Tally(
            due=self.people,
            logged_in=self.people * self.logged_in,
            chosen=self.people * self.chosen,
            submitted=self.people * self.submitted,
            passed=self.people * (result in FINISHED),
            excellent=self.people * (result is Result.EXCELLENT),
            practice_hundredths=self.practice_hundredths,
            online_hundredths=self.online_hundredths,
        )


class _Chain:
    """A person's row and those it was merged into, up to three in a row; `root` stands for the human being today."""

    def __init__(self) -> None:
        self.person, self.first, self.second = aliased(Person), aliased(Person), aliased(Person)
        self.root = func.coalesce(
            self.second.merged_into_id, self.first.merged_into_id, self.person.merged_into_id, self.person.id
        )

    def followed(self, statement: Select[Any]) -> Select[Any]:
        """The statement, which has `person`, with the rows above it."""
        return statement.join(self.first, col(self.first.id) == col(self.person.merged_into_id), isouter=True).join(
            self.second, col(self.second.id) == col(self.first.merged_into_id), isouter=True
        )


def roots(tenant_id: int, *, some: bool = False) -> CTE:
    """person_id → root_id: the row that stands for the human being today. `some`: for those in the place `roots`."""
    chain = _Chain()
    columns: tuple[Any, ...] = (col(chain.person.id).label("person_id"), chain.root.label("root_id"))
    own = select(*columns).where(col(chain.person.tenant_id) == tenant_id)
    if some:
        own = own.where(chain.root.in_(bindparam("roots", expanding=True)))
    return chain.followed(own).cte("roots")  # asked for many times, made once


class Sources:
    """The subqueries of one programme, joined together the same way for counts, lists and sheets.

    `year`: where the programme takes people in by years (分批), those of that year and before are due; None: everybody.
    `some`: facts are looked up for the people in the place `roots` alone, such as those of one page.
    """

    def __init__(
        self,
        programme_id: int,
        tenant_id: int,
        programme_path: str,
        rules: Rules,
        year: int | None = None,
        *,
        some: bool = False,
    ) -> None:
        self.year = year
        self.programme_id, self.tenant_id, self.programme_path = programme_id, tenant_id, programme_path
        self.who, self.of_row = roots(self.tenant_id, some=some), _Chain()
        self.rules, choice = rules, rules.choice
        self.facts = points(self.programme_id, self.who, choice.compulsory)
        self.hours = hours(self.programme_id, self.who)
        self.enrolled = enrolled(self.programme_id, self.who)
        self.category = categories.column(rules)
        required = categories.number(rules, lambda one: one.choice.required_points)
        value = func.coalesce
        self.chosen = value(self.facts.c.chosen, 0)
        self.handed = value(self.facts.c.handed, 0)
        self.passed = value(self.facts.c.passed, 0)
        self.excellent = value(self.facts.c.excellent, 0)
        self.practice, self.online = value(self.hours.c.practice, 0), value(self.hours.c.online, 0)
        self.is_in = case((or_(self.enrolled.c.root_id.is_not(None), self.chosen > 0), 1), else_=0)
        self.has_chosen = case((self.chosen >= required, 1), else_=0)
        self.has_submitted = case((self.handed >= required, 1), else_=0)
        self.counted_passed = case((self.passed >= required, required), else_=self.passed)
        self.counted_excellent = case((self.excellent >= required, required), else_=self.excellent)
        # As `competencies.meets`, but for the number of points, which counts apart.
        self.meets_rule = case(
            (
                and_(
                    value(self.facts.c.dimensions, 0)
                    >= categories.number(rules, lambda one: one.choice.min_dimensions),
                    value(self.facts.c.compulsory, 0) >= len(set(choice.compulsory)),
                ),
                1,
            ),
            else_=0,
        )
        self.hours_ok = case(
            (
                and_(
                    self.practice >= categories.number(rules, lambda one: one.hours.practice_need_hundredths),
                    self.online >= categories.number(rules, lambda one: one.hours.online_need_hundredths),
                ),
                1,
            ),
            else_=0,
        )

    @property
    def of_nobodys_category(self) -> "Sources":
        """The same by the rules for everybody, for people on no roster: nobody knows their category."""
        if not categories.kept_apart(self.rules):
            return self
        rules = self.rules.model_copy(update={"categories": (), "concerns": ()})
        return sources_of(self.programme_id, self.tenant_id, self.programme_path, rules, self.year)

    def details(self) -> tuple[Any, ...]:
        """The columns that a line of a list needs beside who it is."""
        value = func.coalesce
        return (
            self.is_in.label("is_in"),
            self.chosen.label("chosen"),
            self.handed.label("handed"),
            value(self.facts.c.back, 0).label("back"),
            value(self.facts.c.failed, 0).label("failed"),
            self.passed.label("passed"),
            self.excellent.label("excellent"),
            self.counted_passed.label("counted_passed"),
            self.counted_excellent.label("counted_excellent"),
            self.meets_rule.label("meets_rule"),
            self.hours_ok.label("hours_ok"),
            self.category.label("category"),
            self.practice.label("practice"),
            self.online.label("online"),
            value(self.hours.c.all_kinds, 0).label("all_kinds"),
        )

    def entries(self, within: str, *columns: Any) -> Select[Any]:
        """应参训 and 免训 of a subtree: the roster's rows, whose each is, and who is exempt.

        Each row finds its person by key: over a subquery of all persons SQLite would look through it row by row.
        """
        of_row, person = self.of_row, self.of_row.person
        start: Select[Any] = (
            select(*columns)
            .select_from(RosterEntry)
            .join(OrgUnit, col(OrgUnit.id) == col(RosterEntry.org_unit_id))
            .join(
                person,
                and_(col(person.id) == col(RosterEntry.person_id), col(person.tenant_id) == self.tenant_id),
                isouter=True,
            )
        )
        called: ColumnElement[bool] = true()
        if self.year is not None:
            start = start.join(
                CohortPlace,
                and_(
                    col(CohortPlace.roster_entry_id) == col(RosterEntry.id),
                    col(CohortPlace.programme_id) == self.programme_id,
                ),
                isouter=True,
            )
            called = or_(col(CohortPlace.year) <= self.year, col(Exemption.id).is_not(None))
        return (
            of_row.followed(start)
            .join(
                Exemption,
                and_(
                    col(Exemption.roster_entry_id) == col(RosterEntry.id),
                    col(Exemption.programme_id) == self.programme_id,
                ),
                isouter=True,
            )
            .where(
                col(RosterEntry.tenant_id) == self.tenant_id,
                col(RosterEntry.removed_at).is_(None),
                col(OrgUnit.path).startswith(self.programme_path),
                col(OrgUnit.path).startswith(within),
                called,
                *categories.concerned(self.rules),
            )
        )

    def on_roster(self, within: str, *columns: Any) -> Select[Any]:
        """The same rows with what is known of the people they belong to."""
        root = self.of_row.root
        return (
            self.entries(within, *columns)
            .join(self.facts, self.facts.c.root_id == root, isouter=True)
            .join(self.hours, self.hours.c.root_id == root, isouter=True)
            .join(self.enrolled, self.enrolled.c.root_id == root, isouter=True)
        )

    def off_roster(self, within: str, *columns: Any) -> Select[Any]:
        """People who take part but stand on no roster of this programme, with the school they belong to now.

        Those without any school, and those of schools outside the programme's unit, count for that unit alone.
        """
        listed = (
            select(self.who.c.root_id)
            .join(RosterEntry, col(RosterEntry.person_id) == self.who.c.person_id)
            .join(OrgUnit, col(OrgUnit.id) == col(RosterEntry.org_unit_id))
            .where(col(RosterEntry.removed_at).is_(None), col(OrgUnit.path).startswith(self.programme_path))
        )
        school = (
            select(col(OrgMembership.person_id), func.max(col(OrgMembership.org_unit_id)).label("unit_id"))
            .where(col(OrgMembership.ends_on).is_(None))
            .group_by(col(OrgMembership.person_id))
            .subquery("school")
        )
        here: ColumnElement[bool] = col(OrgUnit.path).startswith(within)
        if within == self.programme_path:
            here = true()
        return (
            select(*columns)
            .select_from(Person)
            .join(self.enrolled, self.enrolled.c.root_id == col(Person.id))
            .join(self.facts, self.facts.c.root_id == col(Person.id), isouter=True)
            .join(self.hours, self.hours.c.root_id == col(Person.id), isouter=True)
            .join(school, school.c.person_id == col(Person.id), isouter=True)
            .join(OrgUnit, col(OrgUnit.id) == school.c.unit_id, isouter=True)
            .where(col(Person.tenant_id) == self.tenant_id, col(Person.id).not_in(listed), here)
        )

    def groups(self, within: str) -> Select[Any]:
        """The roster of a subtree, grouped by unit and by how far people have come."""
        keys: tuple[Any, ...] = (
            col(OrgUnit.path).label("path"),
            case((col(Exemption.id).is_not(None), 1), else_=0).label("is_exempt"),
            self.is_in.label("is_in"),
            self.has_chosen.label("has_chosen"),
            self.has_submitted.label("has_submitted"),
            self.counted_passed.label("counted_passed"),
            self.counted_excellent.label("counted_excellent"),
            self.meets_rule.label("meets_rule"),
            self.hours_ok.label("hours_ok"),
            self.category.label("category"),
        )
        inner = self.on_roster(within, *keys, self.practice.label("practice"), self.online.label("online")).subquery()
        names = [inner.c[key.name] for key in keys]
        return select(
            *names, func.count().label("people"), func.sum(inner.c.practice), func.sum(inner.c.online)
        ).group_by(*names)

    def standing_is(self, standings: Sequence[Standing]) -> ColumnElement[bool]:
        """The condition that a row stands as one of these."""
        return or_(
            literal(1) == 0,
            *(
                and_(
                    self.counted_passed == one.passed,
                    self.counted_excellent == one.excellent,
                    self.meets_rule == int(one.meets_rule),
                    self.hours_ok == int(one.hours_ok),
                    *([self.category == one.category.value] if one.category is not None else []),
                )
                for one in standings
            ),
        )


# The statements are large: putting one together costs more than running it. They hold nothing but what they are made
# from, so the same place, rules and question share one.


@lru_cache(maxsize=128)
def sources_of(
    programme_id: int,
    tenant_id: int,
    programme_path: str,
    rules: Rules,
    year: int | None = None,
    *,
    some: bool = False,
) -> Sources:
    """The sources of a programme under these rules; `year` and `some` as `Sources`."""
    return Sources(programme_id, tenant_id, programme_path, rules, year, some=some)


@lru_cache(maxsize=512)
def groups_within(sources: Sources, within: str) -> Select[Any]:
    """`Sources.groups`."""
    return sources.groups(within)


@lru_cache(maxsize=512)
def counted_off_roster(sources: Sources, within: str) -> Select[Any]:
    """How many people stand on no roster, of how many of them nobody has confirmed the school, and how many belong to
    a unit outside the programme's."""
    is_outside = not_(col(OrgUnit.path).startswith(sources.programme_path))
    return sources.off_roster(
        within,
        func.count(),
        func.count(col(Person.id)) - func.count(col(Person.confirmed_at)),
        func.count(case((is_outside, 1))),
    )


def group_of(row: Any) -> Group:
    """A row of `Sources.groups` as a value."""
    path, exempt, logged, chosen, submitted, passed, excellent, meets, hours_ok, said, people, practice, online = row
    return Group(
        path,
        bool(exempt),
        bool(logged),
        bool(chosen),
        bool(submitted),
        Standing(int(passed), int(excellent), bool(meets), bool(hours_ok), Category(said) if said else None),
        int(people),
        int(practice or 0),
        int(online or 0),
    )
