"""The running tool and a fresh platform for each row."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.hosts import resign
from tests.lti.conformance.bench import Bench, Jar, Platform, running

NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def served(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with running(module_database_url, tmp_path_factory.mktemp("tool"), NOW) as bench:
        yield bench


@pytest.fixture
def bench(served: Bench) -> Bench:
    """The tool, with a well platform and the clock where it was."""
    served.clock[0] = NOW
    served.keys.mood, served.keys.body, served.keys.asked = "well", resign.jwks(), 0
    return served


@pytest.fixture
def platform(bench: Bench) -> Platform:
    """A platform that nobody launched from yet."""
    return Platform(bench, f"https://lms{next(_numbers)}.example.org")


@pytest.fixture
def jar() -> Jar:
    """A browser."""
    return Jar()
