"""The running tool and a fresh platform for each row."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.hosts import resign
from tests.hosts.fake import Host
from tests.lti.conformance.bench import Bench, Jar, Platform, running
from tests.lti.conformance.browsers import Scene, scene_of
from tests.lti.conformance.office import Office, office

Opened = Callable[[type[Host]], Office]
NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def served(module_district_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with running(module_district_url, tmp_path_factory.mktemp("tool"), NOW) as bench:
        yield bench


@pytest.fixture(scope="module")
def scene(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The tool and a host in whose pages browsers open it."""
    folder = tmp_path_factory.mktemp("tool")
    with running(module_database_url, folder, NOW, "tool.localhost") as bench, scene_of(bench) as made:
        yield made


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


@pytest.fixture
def at(own_district_url: str, tmp_path: Path) -> Iterator[Opened]:
    """An office at a host of that kind."""
    with ExitStack() as stack:

        def opened(kind: type[Host]) -> Office:
            bench = stack.enter_context(running(own_district_url, tmp_path, NOW))
            return stack.enter_context(office(bench, kind(dict), tmp_path))

        yield opened
