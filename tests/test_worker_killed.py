"""Real worker processes killed at five points, an answer that is cut off, a host that is down for a day: nothing is
lost, nothing is done twice that matters, and the host's column ends right. The hosts are those of tests/hosts."""

import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import lti
from lms_plugin.flow import digest
from lms_plugin.outbox import JobState
from tests import people as cast
from tests.dying import POINTS
from tests.hosts.fake import Asked, Moodle, OpenEdx, Said
from tests.lti.conformance.bench import running
from tests.lti.conformance.conftest import NOW
from tests.lti.conformance.office import SECRET, Office, office, subject

HOUSE = Path(__file__).resolve().parent.parent
TWO = (cast.CHEN, cast.WANG)
LEASE_OVER = 301  # seconds


@pytest.fixture(params=[Moodle, OpenEdx])
def here(request: pytest.FixtureRequest, own_database_url: str, tmp_path: Path) -> Iterator[Office]:
    """A course of that host with two people who have a score, and a second point just released for both."""
    with ExitStack() as stack:
        bench = stack.enter_context(running(own_database_url, tmp_path, NOW))
        made = stack.enter_context(office(bench, request.param(dict), tmp_path))
        for who in TWO:
            made.earn(who, "A3")
        made.drain()
        for who in TWO:
            made.earn(who, "A5")
        made.later(5)
        made.host.asked.clear()
        yield made


def dies(here: Office, point: str) -> None:
    """A worker of its own process begins on what is due and is killed at that point."""
    settings = {
        "NENGLI_DATABASE_URL": here.settings.database_url,
        "NENGLI_DATA_DIR": str(here.settings.data_dir),
        "NENGLI_SECRET_KEY": SECRET,
        "NENGLI_PUBLIC_URL": here.settings.public_url,
        "NENGLI_ALLOW_LOOPBACK": "1",
        "NENGLI_HOST_RATE": "0",
    }
    stored, go_on, answer = threading.Event(), threading.Event(), here.host.answer

    def held(asked: Asked) -> Said:
        said = answer(asked)
        if asked.wants == "POST scores":
            stored.set()
            go_on.wait(60)
        return said

    if point == "stored":
        here.host.answer = held
    command = [sys.executable, "-m", "tests.dying", point, here.now.isoformat()]
    process = subprocess.Popen(command, cwd=HOUSE, env={**os.environ, **settings})
    try:
        if point == "stored":
            assert stored.wait(60)
            process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    finally:
        go_on.set()
        process.kill()
        process.wait()
        here.host.answer = answer


def posted(here: Office) -> dict[tuple[str, str], list[dict[str, object]]]:
    """The scores that came, by column and person, as they came."""
    found: dict[tuple[str, str], list[dict[str, object]]] = defaultdict(list)
    for one in here.host.requests("POST scores"):
        found[one.path, one.json()["userId"]].append(one.json())
    return found


def ends_right(here: Office, share: float, *people: cast.Cast) -> None:
    """The gradebook holds the ledger's value, once, in one column of each kind, with times that only rise."""
    for who in people:
        assert here.grade(who) == pytest.approx(share)
        assert here.delivery(who).state is lti.DeliveryState.DELIVERED
    assert (len(here.ours("points")), len(here.ours("hours"))) == (1, 1)
    for scores in posted(here).values():
        times = [datetime.fromisoformat(str(one["timestamp"])) for one in scores]
        assert times == sorted(set(times))
        assert times[-1] <= here.now
        assert len({one["scoreGiven"] for one in scores}) == 1  # said twice, it is the same
    assert not here.open_jobs()


STANDING = {  # the jobs after the death, and how often the first person's score has reached the host by then
    "before_claim": ([JobState.READY, JobState.READY], 0),
    "claimed": ([JobState.RUNNING, JobState.READY], 0),
    "stored": ([JobState.RUNNING, JobState.READY], 1),
    "kept": ([JobState.RUNNING, JobState.READY], 1),
    "settled": ([JobState.READY], 1),
}


@pytest.mark.parametrize("point", POINTS)
def test_killed_at(here: Office, point: str) -> None:
    dies(here, point)
    states, arrived = STANDING[point]
    assert [job.state for job in here.open_jobs()] == states
    assert sum(map(len, posted(here).values())) == arrived
    restarted = here.worker()
    restarted.run_due()
    assert here.grade(cast.WANG) == pytest.approx(2 / 3)  # who waited behind it need not wait for the dead one
    running_still = [job for job in here.open_jobs() if job.state is JobState.RUNNING]
    assert len(running_still) == states.count(JobState.RUNNING)
    here.later(LEASE_OVER).drain(worker=restarted)
    ends_right(here, 2 / 3, *TWO)
    most = 2 if point == "stored" else 1  # only there nobody can know: it is said once more
    assert {len(scores) for scores in posted(here).values()} <= {1, most}


@pytest.mark.parametrize("here", [Moodle], indirect=True)
def test_killed_at_all_of_them_one_after_the_other(here: Office) -> None:
    for point in POINTS:
        dies(here, point)
        here.later(LEASE_OVER)
    here.drain()
    ends_right(here, 2 / 3, *TWO)


@pytest.mark.parametrize("here", [Moodle], indirect=True)
def test_killed_while_the_truth_moves_on(here: Office) -> None:
    """Another point is released after the host stored the score and before anybody could note it."""
    dies(here, "stored")
    here.earn(cast.CHEN, "A6")
    here.later(LEASE_OVER).drain()
    assert here.grade(cast.CHEN) == pytest.approx(1)
    assert here.delivery(cast.CHEN).state is lti.DeliveryState.DELIVERED


def test_the_connection_ends_after_the_host_stored_the_score(here: Office) -> None:
    cuts = [3]

    def cut(asked: Asked) -> bool:
        cuts[0] -= asked.wants == "POST scores"
        return asked.wants == "POST scores" and cuts[0] >= 0

    here.host.cut = cut
    here.drain()
    ends_right(here, 2 / 3, *TWO)


@pytest.mark.parametrize("here", [Moodle], indirect=True)
def test_a_host_that_is_down_for_a_day(here: Office) -> None:
    """No connection for a day, workers restarted meanwhile, decisions go on: asked about once an hour, told as stuck
    after six, and everything is there in the end."""
    here.host.trouble = lambda _asked: Said(503)
    here.host.cut = lambda _asked: True
    up_again = here.now + timedelta(days=1)
    told_at: list[datetime] = []
    while here.now < up_again:
        here.worker().run_due()  # each time another one
        notices = digest_of(here)
        if notices and not told_at:
            told_at.append(here.now)
        here.bench.clock[0] = max(here.now + timedelta(seconds=1), soonest(here))
    assert len(here.host.requests("POST scores")) <= 2 * 45
    assert here.delivery(cast.CHEN).state is lti.DeliveryState.RETRYING
    assert told_at
    here.host.trouble, here.host.cut = lambda _asked: None, lambda _asked: False
    here.earn(cast.CHEN, "A6")
    here.drain()
    assert here.grade(cast.CHEN) == pytest.approx(1)
    assert here.grade(cast.WANG) == pytest.approx(2 / 3)
    assert {here.delivery(who).state for who in TWO} == {lti.DeliveryState.DELIVERED}
    assert digest_of(here) == []
    assert [one["userId"] for one in here.scores(cast.WANG)][-1] == subject(cast.WANG)


def soonest(here: Office) -> datetime:
    times = [job.run_at if job.run_at.tzinfo else job.run_at.replace(tzinfo=UTC) for job in here.open_jobs()]
    return min(times, default=here.now)


def digest_of(here: Office) -> "list[digest.StuckLine]":
    """What stands on the officer's first page after today's digest."""
    world = here.bench.world
    officer = world.actor(cast.OFFICER)
    world.session.commit()
    digest.gather(here.workers[-1].post, {"tenant_id": world.course.tenant_id}, here.now)
    with here.sessions() as session:
        return digest.stuck_notices(session, officer)
