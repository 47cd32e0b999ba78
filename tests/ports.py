"""Ports for servers that have to be told theirs: below those that the system gives away by itself, and drawn, so that
tests running side by side do not choose the same."""

import secrets
import socket
from contextlib import ExitStack

LEAST, MOST = 20_000, 32_000


def free_port(*above: int) -> int:
    """A port that is free, together with those so much above it."""
    for _ in range(200):
        port = LEAST + secrets.randbelow(MOST - LEAST)
        with ExitStack() as probes:
            try:
                for number in (0, *above):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port + number))
            except OSError:
                continue
        return port
    raise RuntimeError("no free port")
