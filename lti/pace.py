"""So many requests a second to one host, however many workers there are: the turn is drawn in the database.

Its clock counts, so that workers on several machines agree. One statement of its own for each request, which waits for
nobody but those who draw for the same host in this moment.
"""

from typing import Any

from sqlalchemy import Float, bindparam, case, cast, extract, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session

from lms_plugin.db import table, transaction
from lti.models import HostTurn

LONGEST = 60.0  # seconds; no queue is that long, so a turn beyond it was drawn before the clock was put back

_turn = table(HostTurn)


def _draw(make: Any, now: Any) -> Any:
    """Takes the next turn at `given`, `pause` seconds after the last one; gives the seconds until it comes."""
    free, pause = _turn.c.free_epoch_seconds, bindparam("pause", type_=Float)
    turn = case((free.between(now, now + LONGEST), free), else_=now)
    return (
        make(_turn)
        .values(place=bindparam("given"), free_epoch_seconds=now + pause)
        .on_conflict_do_update(index_elements=[_turn.c.place], set_={"free_epoch_seconds": turn + pause})
        .returning(free - pause - now)
    )


_DRAW = {
    "postgresql": _draw(postgresql.insert, cast(extract("epoch", func.clock_timestamp()), Float)),
    "sqlite": _draw(sqlite.insert, (func.julianday("now", type_=Float) - 2440587.5) * 86400.0),
}


class Pace:
    """Draws turns. `per_second`: how many requests a second one host gets at most; 0 = as many as there are."""

    def __init__(self, sessions: "sessionmaker[Session]", per_second: float) -> None:
        self.sessions = sessions
        self.pause = 1 / per_second if per_second else 0.0

    def __call__(self, place: str) -> float:
        """The seconds until it is the turn of this request to that place."""
        if not self.pause:
            return 0.0
        with transaction(self.sessions) as session:
            draw = _DRAW[session.get_bind().dialect.name]
            drawn = session.connection().execute(draw, {"given": place[:300], "pause": self.pause})
            return max(0.0, float(drawn.scalar_one()))
