"""The queue of one person's score in one column, as a machine: whatever happens in whatever order, a host that is
well again holds what the ledger says, and meanwhile nothing is wrong without being under way or told.

Decisions, reversals, askings twice; a host that is down, throttles, loses answers, forgets tokens, refuses the
registration, grades nobody of that name or loses the column; workers that die; leases that end.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pydantic import SecretStr
from sqlmodel import col, select

import competencies
import lti
from lms_plugin import db, outbox
from lms_plugin.config import Settings
from lms_plugin.db import pk, transaction
from lms_plugin.flow import course_deliveries, report, reversal, stuck
from lms_plugin.worker import Worker
from tests import people as cast
from tests.conftest import NOW, Server, copy_of
from tests.factories import world_in
from tests.flow.earned import earn
from tests.fuzzing import times
from tests.hosts import fake
from tests.hosts.fake import Asked, Moodle, Said
from tests.lti.conformance.office import AGS, SECRET, Office, subject

WHO = (cast.CHEN, cast.WANG)
CODES = ("A3", "A5", "A6")
TROUBLES: dict[str, Said] = {
    "down": Said(503),
    "throttled": Said(429, headers={"Retry-After": "90"}),
    "broken": Said(500, "<html>", "text/html"),
    "no registration": Said(400, {"error": "invalid_client"}),
}


class Died(BaseException):
    """The process is gone: nothing catches this."""


class ScoreQueue(RuleBasedStateMachine):
    """Two people, one course at Moodle, any number of workers. Time is the machine's."""

    database: ClassVar[Callable[[], str]]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        url = type(self).database()
        engine = db.engine(url)
        self.stack.callback(engine.dispose)
        sessions = db.session_factory(engine)
        with transaction(sessions) as session:
            self.world = world_in(session, NOW)
            self.officer = self.world.actor(cast.OFFICER)
            lti.ensure_tool_key(session, SECRET, NOW)
            keys = lti.tool_jwks(session, NOW)
        host = self.stack.enter_context(fake.serving(Moodle(lambda: keys)))
        made = Settings(
            secret_key=SecretStr(SECRET),
            public_url="http://localhost",
            allow_loopback=True,
            data_dir=Path("unused"),
            database_url=url,
            host_rate=0,
        )
        bench: Any = SimpleNamespace(world=self.world, clock=[NOW])
        self.here = Office(bench, host, made, sessions)
        host.clock = lambda: self.here.now
        self.here.set_platform(
            client_id=host.client_id, token_url=host.token_url, token_audience="", product=host.product
        )
        self.here.set_course(
            lineitems_url=host.lineitems(), lineitem_url="", ags_scopes=sorted(AGS), memberships_url=""
        )
        host.enrol(*(fake.Person(subject(who)) for who in WHO))
        self.earned: dict[str, list[str]] = {who.key: [] for who in WHO}
        self.mood = ""
        self.lose = 0
        host.trouble, host.cut = self.trouble, self.cut

    def teardown(self) -> None:
        for worker in self.here.workers:
            worker.close()
        self.stack.close()

    # --- the host ---

    def trouble(self, asked: Asked) -> Said | None:
        if self.mood == "no registration" and asked.wants != "POST token.php":
            return None
        return TROUBLES.get(self.mood)

    def cut(self, asked: Asked) -> bool:
        """The connection ends after the host has done its work."""
        if asked.method != "POST" or not self.lose:
            return False
        self.lose -= 1
        return True

    @rule(mood=st.sampled_from(["", "", *TROUBLES]))
    def the_host_changes(self, mood: str) -> None:
        self.mood = mood

    @rule(times=st.integers(1, 3))
    def answers_get_lost(self, times: int) -> None:
        self.lose = times

    @rule()
    def the_host_forgets_tokens(self) -> None:
        self.here.host.tokens.clear()

    @rule()
    def the_column_is_deleted(self) -> None:
        for item in self.here.ours():
            del self.here.host.items[item.key]

    @rule(who=st.sampled_from(WHO), graded=st.booleans())
    def the_host_grades_them_or_not(self, who: cast.Cast, graded: bool) -> None:
        self.here.host.people[subject(who)].is_graded = graded

    # --- the tool ---

    @initialize()
    def somebody_has_a_point(self) -> None:
        self.decide(cast.CHEN)

    @rule(who=st.sampled_from(WHO))
    def decide(self, who: cast.Cast) -> None:
        left = [code for code in CODES if code not in self.earned[who.key]]
        if left:
            with transaction(self.here.sessions) as session:
                earn(world_in(session, self.here.now), who, left[0])
            self.earned[who.key].append(left[0])

    @rule(who=st.sampled_from(WHO))
    def take_back(self, who: cast.Cast) -> None:
        person, programme, now = self.world.person(who), self.world.programme.uuid, self.here.now
        with transaction(self.here.sessions) as session:
            award = session.exec(
                select(competencies.Award.uuid)
                .where(competencies.Award.person_id == pk(person), col(competencies.Award.revoked_at).is_(None))
                .order_by(col(competencies.Award.id))
            ).first()
            if award is not None:
                reversal.reverse(session, self.officer, programme, person.uuid, "award", award, "误录", now)

    @rule()
    def ask_again(self) -> None:
        self.here.ask(*(self.world.person(who) for who in WHO))

    @rule(everybody=st.booleans())
    def send_again(self, everybody: bool) -> None:
        self.send_again_to("" if everybody else self.world.person(cast.CHEN).uuid)

    def send_again_to(self, person: str) -> None:
        """The page's button: of one person, or ("") of all who are stuck."""
        with transaction(self.here.sessions) as session:
            course_deliveries.resend_all(session, self.officer, self.world.course.uuid, self.here.now, person)

    @rule(seconds=st.sampled_from([0, 1, 2, 30, 301, 3700, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.here.later(seconds)

    @rule()
    def work(self) -> None:
        """All that is due, by a worker that was just started."""
        worker = self.here.worker()
        for _ in range(6):
            if not worker.run_due():
                break
            self.here.later(1)

    @rule(point=st.sampled_from(["claimed", "kept"]))
    def die(self, point: str) -> None:
        """A worker takes the next job and dies: before it does anything, or before it can settle."""
        ticks = iter([self.here.now])

        def clock() -> Any:
            for now in ticks:
                return now
            raise Died

        with self.here.sessions() as session:
            due = outbox.due(session, self.here.now)
        if not due:
            return
        if point == "claimed":
            with transaction(self.here.sessions) as session:
                outbox.claim(session, due[0], self.here.now)
            return
        worker = Worker(self.here.settings, clock)
        self.here.workers.append(worker)
        with pytest.raises(Died):
            worker.run_job(due[0])

    # --- what must hold ---

    def truth(self, who: cast.Cast) -> float:
        with self.here.sessions() as session:
            found = report.scores_of(session, self.world.programme, pk(self.world.person(who)))
        score = found[lti.LineItemKind.POINTS]
        return score.given_hundredths / score.maximum_hundredths

    def held(self, who: cast.Cast) -> float | None:
        """What stands in the gradebook; None = nothing."""
        items = self.here.ours()
        value = self.here.host.grade(items[-1].key, subject(who)) if items else None
        return None if value is None else value / items[-1].maximum

    @invariant()
    def nothing_is_wrong_in_silence(self) -> None:
        """A column that shows another value than the ledger, and that the host did not take away behind our back, is
        being worked on, or stands on the course's page as stuck."""
        with self.here.sessions() as session:
            told = stuck.stuck_people(session, self.world.course.tenant_id, self.here.now).get(
                pk(self.world.course), set()
            )
        open_for = {job.key.rpartition(":")[2] for job in self.here.open_jobs() if job.kind == outbox.SCORE}
        for who in WHO:
            row, held = pk(self.world.person(who)), self.held(who)
            if held is not None and self.earned[who.key] and held != pytest.approx(self.truth(who), abs=1e-4):
                assert row in told or str(row) in open_for

    @invariant()
    def times_rise(self) -> None:
        latest: dict[tuple[str, str], str] = {}
        for one in self.here.host.requests("POST scores"):
            if one.status == 200:
                body = one.json()
                key = one.path, body["userId"]
                assert body["timestamp"] > latest.get(key, "")
                latest[key] = body["timestamp"]

    def the_end(self) -> None:
        """The host is well, and somebody presses the button of the course's page: everything ends right."""
        self.mood, self.lose = "", 0
        for who in WHO:
            self.here.host.people[subject(who)].is_graded = True
        self.here.later(90_000)
        self.here.drain(rounds=60)
        # A column that vanished with nothing to send is noticed by the next score: the button beside each person.
        for who in WHO:
            self.send_again_to(self.world.person(who).uuid)
        self.here.drain(rounds=60)
        self.send_again_to("")
        self.here.drain(rounds=60)
        (item,) = self.here.ours()
        for who in WHO:
            if self.earned[who.key]:
                assert self.held(who) == pytest.approx(self.truth(who), abs=1e-4)
                assert self.here.delivery(who).state is lti.DeliveryState.DELIVERED
        assert item.maximum == 3


class Ending(ScoreQueue):
    """The machine, with its end looked at."""

    def teardown(self) -> None:
        try:
            self.the_end()
        finally:
            super().teardown()


@pytest.fixture
def databases(district_url: str, _server: Server | None, tmp_path: Path) -> Callable[[], str]:
    """A district of its own for each run of the machine."""
    with ExitStack() as stack:
        made = [0]

        def one() -> str:
            made[0] += 1
            folder = tmp_path / str(made[0])
            folder.mkdir()
            copies = copy_of(district_url, _server, folder)
            stack.callback(lambda: next(copies, None))
            return next(copies)

        yield one


def test_whatever_happens_the_gradebook_ends_right(databases: Callable[[], str]) -> None:
    class Here(Ending):
        database = staticmethod(databases)

    few = settings(
        max_examples=times(8), stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Here, settings=few)
