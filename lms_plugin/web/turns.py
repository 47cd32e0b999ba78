"""Logins and launches of a process have their turn one after the other, first come, first served (ADR 0054).

A class clicks at once. Eight threads that each want Python's lock take it from one another in no order: each launch is
interrupted several times, and the unlucky wait three times as long as the others. One that runs through is done sooner
than eight that share, and nobody is forgotten.
"""

from collections import deque
from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

IN_TURN = frozenset({"/lti/login", "/lti/launch"})
PATIENCE = 0.025  # seconds: as long as a queue of all threads takes where nothing is held up


class Turns:
    """A queue of threads for one turn. Who waits longer than their patience (seconds) takes the turn from whoever has
    it: a launch that the database or a host holds up holds nobody else up."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._lock = Lock()
        self._waiting: deque[Lock] = deque()
        self._holder: Lock | None = None

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def take(self) -> Lock:
        """Waits for the turn; what it gives goes back by `give_back`."""
        mine = Lock()
        with self._lock:
            if self._holder is None:
                self._holder = mine
                return mine
            mine.acquire()
            self._waiting.append(mine)
        if not mine.acquire(timeout=self.patience):
            with self._lock:
                if mine in self._waiting:
                    self._waiting.remove(mine)
                    self._holder = mine
        return mine

    def give_back(self, mine: Lock) -> None:
        """Passes the turn on, unless somebody took it meanwhile."""
        with self._lock:
            if self._holder is mine:
                self._holder = self._waiting.popleft() if self._waiting else None
                if self._holder is not None:
                    self._holder.release()


def in_turns(application: "WSGIApplication") -> "WSGIApplication":
    """The application, whose logins and launches take turns."""
    turns = Turns()

    def taking(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("PATH_INFO") not in IN_TURN:
            return application(environ, start_response)
        mine = turns.take()
        try:
            return application(environ, start_response)
        finally:
            turns.give_back(mine)

    return taking
