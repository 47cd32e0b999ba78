"""记学时: practice hours follow the programme's rule. They rise with passes and with better rules; a lowered rule takes
nothing back. Only 冲销 (`reversal`) does."""

from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from operator import attrgetter

from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, select, union

import competencies
from competencies import CreditKind
from lms_plugin import outbox
from lms_plugin.db import get, give_way, pk, transaction
from lms_plugin.flow import categories, duty, humans, message_words, messages, report
from lms_plugin.people import Person, Tenant

NAME_CATEGORY = frozenset({"award", "held", "rule"})
"""Reasons of entries whose `source` is the person's 类别 of that day, where the rules differ by it."""

AT_ONCE = 200
"""People in one transaction of the job: releases wait for it, so it does not hold the programme for long."""


def take_turn(session: Session, programme: competencies.Programme) -> None:
    """One release, reversal or change of rules in a programme at a time: what a person's points are worth is counted
    over all of them, so two at once would each miss what the other one adds. Ends with the transaction; teachers go on
    working."""
    session.exec(
        select(competencies.Programme.id)
        .where(competencies.Programme.id == pk(programme))
        .with_for_update(key_share=True)
    ).one()


def lines(
    programme: competencies.Programme,
    person_id: int,
    hundredths: int,
    basis: competencies.Basis,
    now: datetime,
    *,
    reason: str,
    source: str = "",
    earned_on: date | None = None,
) -> list[competencies.CreditEntry]:
    """One entry of practice hours, of nothing none, for `competencies.ledger.credit_all`."""
    if not hundredths:
        return []
    of = (programme.tenant_id, pk(programme), person_id, CreditKind.PRACTICE)
    return [competencies.ledger.entry_of(*of, hundredths, basis, now, reason, source, earned_on=earned_on)]


def put_right(
    session: Session,
    programme: competencies.Programme,
    person: Person,
    person_id: int,
    basis: competencies.Basis,
    now: datetime,
    *,
    reason: str,
    source: str,
) -> None:
    """After an award was taken back, or rows became one or two: entries of the row `person_id` bring the practice
    hours of the human being to what all awards that stand have brought, in each cycle of years for itself.

    More than before where nothing was merged means that a better rule is still waiting to be booked: it is said so.
    Of somebody whose hours wait for their reviews (`duty`) it is noted instead.
    """
    tenant = get(session, Tenant, programme.tenant_id)
    rows, cycle = humans.rows_of(person), competencies.cycle_rule(tenant.cycle)
    found = competencies.put_right.practice_differences(
        session, programme, rows, cycle, tenant.timezone, lambda: categories.category_of(session, rows)
    )
    comes = sum(one.hundredths for one in found) > 0
    policy = competencies.rules_of(session, programme).review
    if comes and duty.owing(session, programme, policy, {rows[0]: rows}, now):
        wait(session, programme, rows[:1], now)
        return
    if reason == "reversal" and comes:
        reason, source = "rule", ""
    entries = [
        line
        for one in found
        for line in lines(
            programme, person_id, one.hundredths, basis, now, reason=reason, source=source, earned_on=one.on
        )
    ]
    competencies.ledger.credit_all(session, entries)


def wait(session: Session, programme: competencies.Programme, people: Collection[int], now: datetime) -> None:
    """Keeps that hours of these people wait for their reviews (`held_hours` books them), and tells who did not know."""
    fresh = competencies.held_hours.note(session, pk(programme), people, now)
    told = [messages.Told(person, programme.uuid, {"title": programme.title}) for person in fresh]
    messages.tell(session, programme.tenant_id, message_words.HELD, told, now)


class Books:
    """What these people hold and have booked for it in a programme, each over all rows of the human being; kept up by
    `hold` and `booked` while an act goes on. A constant number of queries.

    `now`: the moment of the act; to somebody whose hours wait for their reviews then (`duty`) nothing is due. None:
    as if nobody's did."""

    def __init__(
        self,
        session: Session,
        programme: competencies.Programme,
        people: Collection[int],
        rules: competencies.Rules | None = None,
        *,
        now: datetime | None,
    ) -> None:
        rules = rules or competencies.rules_of(session, programme)
        self.rows = {row: rows for rows in humans.rows_by_row(session, people).values() for row in rows}
        everybody = set(self.rows)
        levels = competencies.released_levels(session, pk(programme), everybody)
        practice = competencies.points_practice(session, pk(programme), everybody)
        self._people = {rows[0]: rows for rows in self.rows.values()}
        self._differ = bool(rules.categories)
        self._said = categories.categories_of(session, self._people) if self._differ else {}
        self._rule = {key: competencies.hours_rule(rules.for_category(self._said.get(key))) for key in self._people}
        self._held = {rows[0]: humans.better(levels, rows) for rows in self.rows.values()}
        self._practice = {rows[0]: sum(practice.get(row, 0) for row in rows) for rows in self.rows.values()}
        self._owing = duty.owing(session, programme, rules.review, self._people, now) if now is not None else {}
        self._waits: set[int] = set()

    def humans(self) -> set[int]:
        """Each human being once, by the row of today."""
        return set(self._held)

    def hold(self, person_id: int, point_id: int, level: competencies.Level) -> None:
        """The person holds one point more, or at a better level."""
        held = self._held[self.rows[person_id][0]]
        held[point_id] = max(level, held.get(point_id, level))

    def category(self, person_id: int) -> str:
        """By whose rules, where they differ by 类别, else "": the `source` of an entry, to be told later."""
        found = self._said.get(self.rows[person_id][0])
        return found.value if found is not None else ""

    def booked(self, person_id: int, hundredths: int) -> None:
        """So much more stands in the ledger."""
        self._practice[self.rows[person_id][0]] += hundredths

    def note(self, session: Session, programme: competencies.Programme, now: datetime) -> None:
        """To be called by whoever books, after asking what is `due`. Keeps by which categories these people are
        counted, where rules differ by it, so that it can be told over again however they are called later; and whose
        hours wait."""
        if self._differ:
            competencies.counted_as.note(session, pk(programme), self._people, self._said, now)
        wait(session, programme, sorted(self._waits), now)

    def due(self, person_id: int) -> int:
        """Hundredths that the person lacks by the rule of now, and that are to be booked now."""
        today = self.rows[person_id][0]
        due = competencies.entries_due(self._rule[today], self._practice[today], list(self._held[today].values()))
        if due and today in self._owing:
            self._waits.add(today)
            return 0
        return due

    def waiting(self) -> int:
        """Of how many people something was due that waits for their reviews."""
        return len(self._waits)

    def by_award(self, person_id: int, awards: Sequence[competencies.Award]) -> list[tuple[competencies.Award, int]]:
        """What is due, booked award by award in the order given, each with the hundredths that it brings; what they do
        not account for stands with the last one."""
        today, held, found = self.rows[person_id][0], dict[int, competencies.Level](), []
        for award in awards:
            level = competencies.Level(award.level)
            held[award.point_id] = max(level, held.get(award.point_id, level))
            due = competencies.entries_due(self._rule[today], self._practice[today], list(held.values()))
            if award is awards[-1]:
                due += competencies.entries_due(
                    self._rule[today], self._practice[today] + due, list(self._held[today].values())
                )
            if due:
                found.append((award, due))
                self.booked(person_id, due)
        return found


def rules_changed(
    session: Session, programme: competencies.Programme, before: competencies.Rules, now: datetime
) -> None:
    """To be called after a programme's rules were set: where they count otherwise from now on, a job books what they
    give more, and scores go out by the new numbers."""
    rules = competencies.rules_of(session, programme)
    counts = attrgetter("hours", "choice.required_points", "categories")
    if counts(before) != counts(rules):
        ids = {"programme_id": pk(programme)}
        outbox.put(session, programme.tenant_id, outbox.RULES, str(pk(programme)), ids, now)


def apply_rules(sessions: "sessionmaker[Session]", ids: dict[str, int], clock: Callable[[], datetime]) -> None:
    """The job after a change of rules: everybody who holds a point gets what the rule of now gives more, and everybody
    with points or hours their scores again. Run twice it books nothing the second time."""
    last = 0
    while True:
        with transaction(sessions) as session:
            programme = get(session, competencies.Programme, ids["programme_id"])
            take_turn(session, programme)
            now = clock()
            people = _concerned(session, programme, last)
            if not people:
                return
            bring_up(session, programme, people, now)
            report.queue_scores(session, programme, people, now)
            last = people[-1]
        give_way(sessions)


def _concerned(session: Session, programme: competencies.Programme, after: int) -> list[int]:
    """The next people with released work or hours in the programme, by id."""
    key = pk(programme)
    worked = select(competencies.Submission.person_id).where(
        competencies.Submission.programme_id == key,
        competencies.Submission.state == competencies.SubmissionState.RELEASED,
        col(competencies.Submission.person_id) > after,
    )
    awarded = select(competencies.Award.person_id).where(
        competencies.Award.programme_id == key, col(competencies.Award.person_id) > after
    )
    credited = select(competencies.CreditEntry.person_id).where(
        competencies.CreditEntry.programme_id == key, col(competencies.CreditEntry.person_id) > after
    )
    everybody = union(worked, awarded, credited).subquery()
    rows = session.connection().execute(select(everybody.c.person_id).order_by(everybody.c.person_id).limit(AT_ONCE))
    return [int(person) for (person,) in rows]


def bring_up(session: Session, programme: competencies.Programme, people: Collection[int], now: datetime) -> None:
    """Books what the rule of now gives these people more than stands in the ledger: a constant number of
    statements."""
    books = Books(session, programme, people, now=now)
    last = _last_awards(session, programme, books.rows)
    entries: list[competencies.CreditEntry] = []
    for person in sorted(books.humans()):
        hundredths = books.due(person)
        award = max((last[row] for row in books.rows[person] if row in last), key=pk, default=None)
        if award is not None:
            # Hours stay with the row and the school where the points were earned.
            basis = competencies.Basis(programme.policy_id or 0, org_unit_id=award.org_unit_id)
            source = books.category(person)
            entries += lines(programme, award.person_id, hundredths, basis, now, reason="rule", source=source)
            books.booked(person, hundredths)
    books.note(session, programme, now)
    competencies.ledger.credit_all(session, entries)


def _last_awards(
    session: Session, programme: competencies.Programme, rows: Collection[int]
) -> dict[int, competencies.Award]:
    """Row of a person → their latest award."""
    awards = session.exec(
        select(competencies.Award)
        .where(
            competencies.Award.programme_id == pk(programme),
            col(competencies.Award.person_id).in_(rows),
            col(competencies.Award.revoked_at).is_(None),
        )
        .order_by(col(competencies.Award.id))
    )
    return {award.person_id: award for award in awards}
