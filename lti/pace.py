"""So many requests a second to one host, however many workers there are: the turn is drawn in the database.

Its clock counts, so that workers on several machines agree. One statement of its own for each request, which waits for
nobody but those who draw for the same host in this moment.
"""

from sqlalchemy import text
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session

from lms_plugin.db import transaction

_NOW = {"postgresql": "extract(epoch FROM clock_timestamp())", "sqlite": "(julianday('now') - 2440587.5) * 86400.0"}
_LATER = {"postgresql": "greatest", "sqlite": "max"}


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
            kind = session.get_bind().dialect.name
            now, later = _NOW[kind], _LATER[kind]
            drawn = session.connection().execute(
                text(
                    f"INSERT INTO lti_host_turn (place, free_epoch_seconds) VALUES (:place, {now} + :pause) "  # noqa: S608 - the two dialects' words for now and later
                    f"ON CONFLICT (place) DO UPDATE "
                    f"SET free_epoch_seconds = {later}(lti_host_turn.free_epoch_seconds, {now}) + :pause "
                    f"RETURNING free_epoch_seconds - :pause - {now}"
                ),
                {"place": place[:300], "pause": self.pause},
            )
            return max(0.0, float(drawn.scalar_one()))
