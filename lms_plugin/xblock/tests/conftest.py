"""The workbench's runtime with the services that an LMS has beside it; its logs in a folder of this run.

Which settings it takes stands in the environment: README.md.
"""

import gettext
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

folder = Path(tempfile.mkdtemp())
(folder / "var").mkdir()
os.chdir(folder)

import django  # noqa: E402 - only now are its settings there
from django.conf import settings  # noqa: E402

settings.XBLOCK_SETTINGS = {"nengli": {"tool_url": "https://nengli.example/"}}
django.setup()

import nengli_xblock  # noqa: E402
import pytest  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.utils import translation  # noqa: E402
from workbench.runtime import ID_MANAGER, WORKBENCH_KVS, WorkbenchRuntime  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)


class Sentences:
    """Translates as edx-platform does: the block's own catalogue of the active language, else the source."""

    def gettext(self, words: str) -> str:
        where = Path(nengli_xblock.__file__).parent / "translations"
        locale = translation.to_locale(translation.get_language() or "en")
        return gettext.translation("text", where, [locale], fallback=True).gettext(words)

    ugettext = gettext


class User:
    """The service that says who looks."""

    def __init__(self, number: int | None, role: str = "student") -> None:
        self.number, self.role = number, role

    def get_current_user(self) -> Any:
        known = {"is_authenticated": self.number is not None, "user_id": self.number, "user_role": self.role}
        return SimpleNamespace(opt_attrs={f"edx-platform.{name}": value for name, value in known.items()})

    def get_external_user_id(self, _kind: str) -> str | None:
        return None if self.number is None else f"subject-{self.number}"


class Rebinding:
    """The service that gives a block loaded for nobody to a learner."""

    def rebind_noauth_module_to_user(self, block: Any, user: Any) -> None:
        block.scope_ids = block.scope_ids._replace(user_id=user.id)
        block.runtime._services["user"] = User(user.id)


class Bench:
    """A workbench with one block of ours, and what it has published."""

    def __init__(self) -> None:
        WORKBENCH_KVS.clear()
        ID_MANAGER.clear()
        runtime = WorkbenchRuntime("author")
        runtime.id_generator.set_scenario("tests")
        self.usage = runtime.parse_xml_string("<nengli/>")
        self.published: list[tuple[str, dict[str, Any]]] = []
        self.credit: Any = None

    def block(self, number: int | None = 7, role: str = "student") -> Any:
        """The block as somebody sees it."""
        runtime = WorkbenchRuntime(number)
        runtime._services |= {"user": User(number, role), "i18n": Sentences(), "rebind_user": Rebinding()}
        if self.credit is not None:
            runtime._services["credit"] = self.credit
        runtime.publish = lambda _block, kind, data: self.published.append((kind, data))
        return runtime.get_block(self.usage)


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A workbench of this test alone, in English."""
    with translation.override("en"):
        yield Bench()
