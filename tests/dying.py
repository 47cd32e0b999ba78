"""A worker process that ends itself by SIGKILL at a named point: `python -m tests.dying POINT NOW`.

It is the product's own worker; the points are found from outside, in what it says to the database and the network. What
they are and what must become of them: docs/adr/0024-where-a-worker-may-die.md.
"""

import os
import signal
import sys
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, event

from lms_plugin.config import Settings
from lms_plugin.worker import Worker

POINTS = ("before_claim", "claimed", "stored", "kept", "settled")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def is_claim(statement: str) -> bool:
    """The statement by which a worker takes a job."""
    return statement.startswith("UPDATE job SET") and "job.attempts +" in statement


def watch(point: str) -> None:
    """Arranges the end. At `stored` it is whoever plays the host who kills: only the host knows that moment."""
    claims = [0]

    @event.listens_for(Engine, "before_cursor_execute")
    def before(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if is_claim(statement):
            claims[0] += 1
            if point == "before_claim" or (point == "settled" and claims[0] == 2):
                die()
        elif statement.startswith("UPDATE job SET") and point == "kept":
            die()

    def hook(name: str, _arguments: tuple[Any, ...]) -> None:
        if name == "socket.connect" and point == "claimed" and claims[0]:
            die()

    sys.addaudithook(hook)


def main() -> None:
    point, now = sys.argv[1], datetime.fromisoformat(sys.argv[2])
    watch(point)
    Worker(Settings(), lambda: now).run_due()


if __name__ == "__main__":
    main()
