"""What the worker does because time goes by: keys take turns, the log is swept, and it says that it lives."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import select

import lti
import rubrics
from lms_plugin import outbox
from lms_plugin.db import pk, transaction
from lms_plugin.net import networks_of
from lms_plugin.web import create_app
from lms_plugin.worker import Worker
from tests.factories import district, programme_of, published_framework, world_in
from tests.serving import settings_of

DAY = timedelta(days=1)


@pytest.fixture
def tick(own_database_url: str, tmp_path: Path) -> Iterator[Callable[[datetime], Worker]]:
    """One sweep at a moment."""
    settings = settings_of(tmp_path, own_database_url, key_days=30, log_days=10)
    workers: list[Worker] = []

    def sweep(at: datetime) -> Worker:
        workers.append(Worker(settings, clock=lambda: at))
        workers[-1].tick()
        return workers[-1]

    yield sweep
    for worker in workers:
        worker.close()


def test_whoever_asks_a_platform_knows_the_networks_of_the_settings(own_database_url: str, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, own_database_url, allow_networks="10.2.0.0/16")
    worker, app = Worker(settings), create_app(settings)
    wanted = networks_of("10.2.0.0/16")
    assert (worker.post.http.networks, app.extensions["nengli"].http.networks) == (wanted, wanted)
    worker.close()


def test_keys_take_turns_by_the_clock(tick: Callable[[datetime], Worker], now: datetime) -> None:
    worker = tick(now)
    secret = worker.settings.secret_key.get_secret_value()
    with transaction(worker.sessions) as session:
        first = lti.ensure_tool_key(session, secret, now).kid

    def state(at: datetime) -> tuple[str, int]:
        """Which key signs, and how many are shown."""
        tick(at)
        with transaction(worker.sessions) as session:
            return lti.ensure_tool_key(session, secret, at).kid, len(lti.tool_jwks(session, at)["keys"])

    assert state(now + 29 * DAY) == (first, 1)
    assert state(now + 30 * DAY) == (first, 2)  # shown a day before it signs
    second, shown = state(now + 31 * DAY)
    assert (second != first, shown) == (True, 2)
    assert state(now + 38 * DAY) == (second, 1)  # a week after


def test_the_log_goes_after_the_days_of_the_setting(tick: Callable[[datetime], Worker], now: datetime) -> None:
    worker = tick(now)
    with transaction(worker.sessions) as session:
        lti.log_registration(session, "https://lms.example", now, check="code", code="register.code_role")
    for days, left in ((10, 1), (11, 0)):
        tick(now + days * DAY)
        with worker.sessions() as session:
            assert lti.count_launches(session, lti.Wanted(None)) == left


def test_the_worker_says_when_it_last_lived(tick: Callable[[datetime], Worker], now: datetime) -> None:
    for at in (now, now + timedelta(minutes=1)):
        worker = tick(at)
        with worker.sessions() as session:
            found = outbox.last_beat(session)
            assert found is not None
            assert found.replace(tzinfo=at.tzinfo) == at


def test_what_breaks_in_a_sweep_holds_up_nothing_else(
    tick: Callable[[datetime], Worker], now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    worker = tick(now)
    with transaction(worker.sessions) as session:
        lti.log_registration(session, "https://lms.example", now, check="code", code="register.code_role")
        session.connection().execute(text("DROP TABLE lti_tool_key"))
    later = now + 11 * DAY
    tick(later)
    assert "rotate_when_due broke" in caplog.text
    with worker.sessions() as session:
        assert lti.count_launches(session, lti.Wanted(None)) == 0
        found = outbox.last_beat(session)
    assert found is not None
    assert found.replace(tzinfo=later.tzinfo) == later


def test_a_programme_that_breaks_the_sweep_holds_up_no_other(
    own_district_url: str, tmp_path: Path, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(settings_of(tmp_path, own_district_url), clock=lambda: now + 30 * DAY)
    with transaction(worker.sessions) as session:
        world = world_in(session, now)
        world.programme.submit_by_on = world.programme.review_by_on = world.programme.closes_on = date.max
        broken = pk(world.programme)
        tenant, county = district(session, "安平县", now)
        whole = pk(programme_of(session, tenant, county, published_framework(session, tenant, now), "秋季", now))
    worker.tick()
    with transaction(worker.sessions) as session:
        assert session.exec(select(rubrics.Allocation.programme_id)).all() == [whole]
    assert f"allocate_due of programme {broken} broke" in caplog.text
    worker.close()
