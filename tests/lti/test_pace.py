"""Turns at a host: several workers, one rate."""

import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from lms_plugin import db
from lti.models import HostTurn
from lti.pace import Pace

PLACE = "https://lms.example:443"


@pytest.fixture
def engines(own_database_url: str) -> Iterator[list[Engine]]:
    """Connections of three workers, as three processes have them."""
    made = [db.engine(own_database_url) for _ in range(3)]
    yield made
    for one in made:
        one.dispose()


def test_all_workers_together_ask_no_faster(engines: list[Engine]) -> None:
    paces = [Pace(db.session_factory(one), 5) for one in engines]
    waits: list[float] = []

    def draw(pace: Pace) -> None:
        for _ in range(4):
            waits.append(pace(PLACE))

    begun = time.time()
    threads = [threading.Thread(target=draw, args=(pace,)) for pace in paces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(waits) == 12
    with Session(engines[0]) as session:
        (turn,) = session.exec(select(HostTurn)).all()
    assert turn.place == PLACE
    assert turn.free_epoch_seconds >= begun + 12 / 5 - 0.01  # nobody's turn was anybody else's
    assert 0 < max(waits) <= 11 / 5 + 0.01
    assert paces[0]("https://another.example:443") == 0.0


def test_idle_hours_are_not_saved_up_for_a_burst(engines: list[Engine]) -> None:
    with Session(engines[0]) as session:
        session.add(HostTurn(place=PLACE, free_epoch_seconds=time.time() - 3600))
        session.commit()
    pace = Pace(db.session_factory(engines[0]), 1)
    assert pace(PLACE) == 0.0
    assert 0.5 < pace(PLACE) <= 1.0


def test_a_host_that_was_left_alone_is_asked_at_once(engines: list[Engine]) -> None:
    pace = Pace(db.session_factory(engines[0]), 1000)
    assert pace(PLACE) == 0.0
    assert pace(PLACE) < 0.01
    assert Pace(db.session_factory(engines[0]), 0)("x") == 0.0


def test_a_clock_that_was_put_back_holds_up_nobody(engines: list[Engine]) -> None:
    pace = Pace(db.session_factory(engines[0]), 5)
    with Session(engines[0]) as session:
        session.add(HostTurn(place=PLACE, free_epoch_seconds=time.time() + 3600))
        session.commit()
    assert pace(PLACE) < 0.01
    assert 0.1 < pace(PLACE) <= 0.21  # and from then on they come in turns again
