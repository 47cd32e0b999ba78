"""The block is a distribution of its own: what it imports, what it carries, what stays out of ours."""

import ast
import configparser
import re
import sys
from pathlib import Path

import block_strings
import pytest
from setuptools import find_packages

from tests.xblock.installed import SOURCE

HOUSE = Path(__file__).resolve().parent.parent.parent
MODULES = sorted((SOURCE / "nengli_xblock").glob("*.py"))
MAY = {"django", "web_fragments", "webob", "xblock", "nengli_xblock"}


def imported(path: Path) -> set[str]:
    """The top-level names that a module imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add((node.module or "").partition(".")[0])
    return found - set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_it_imports_nothing_of_ours(path: Path) -> None:
    """It runs inside the LMS: Flask, SQLModel and our own parts must not come along; the consumer is spoken to in one
    place."""
    allowed = MAY | ({"lti_consumer"} if path.name == "compat.py" else set())
    assert imported(path) <= allowed


def test_nothing_of_ours_imports_it() -> None:
    for folder in ("lms_plugin", "competencies", "rubrics", "lti", "migrations"):
        for path in (HOUSE / folder).rglob("*.py"):
            if SOURCE not in path.parents and "xblock" in path.read_text(encoding="utf-8"):
                assert not imported(path) & {"nengli_xblock", "xblock"}, path


def test_our_wheel_leaves_it_out() -> None:
    """`packages = find:` of setup.cfg goes into folders that are packages, and this one is none."""
    house = configparser.ConfigParser()
    house.read(HOUSE / "setup.cfg", encoding="utf-8")
    wanted = house["options.packages.find"]["include"].split()
    found = find_packages(str(HOUSE), include=wanted)
    assert "lms_plugin.web" in found
    assert not [name for name in found if "xblock" in name]


def test_its_licence_is_the_consumers() -> None:
    own = configparser.ConfigParser()
    own.read(SOURCE / "setup.cfg", encoding="utf-8")
    assert own["metadata"]["license"] == "AGPL-3.0-only"
    assert "nengli_xblock.block:NengliXBlock" in own["options.entry_points"]["xblock.v1"]
    text = (SOURCE / "LICENSE").read_text(encoding="utf-8")
    assert "GNU AFFERO GENERAL PUBLIC LICENSE" in text
    assert "AGPL-3.0" in (SOURCE / "NOTICE").read_text(encoding="utf-8")


def test_its_catalogues_are_whole_and_compiled() -> None:
    """`make strings` was run: every sentence has its Chinese, and what the LMS reads is what is written."""
    kept = block_strings.read()
    assert [str(one.id) for one in kept if one.id] == block_strings.sentences()
    assert [str(one.id) for one in kept if one.id and (not one.string or one.fuzzy)] == []
    for one in kept:
        assert str(one.id).count("%(") == str(one.string).count("%("), one.id
    binary = block_strings.compiled(block_strings.made(kept))
    sources = {block_strings.catalogue_of(one).read_bytes() for one in block_strings.LANGUAGES}
    assert len(sources) == 1
    for language in block_strings.LANGUAGES:
        assert block_strings.catalogue_of(language, "mo").read_bytes() == binary


def test_what_shows_its_promises_is_there() -> None:
    """The list of promises names tests that exist."""
    named = set(re.findall(r"`(test_\w+)`", (HOUSE / "tests/xblock/README.md").read_text(encoding="utf-8")))
    files = [*(SOURCE / "tests").glob("test_*.py"), *(HOUSE / "tests/xblock").glob("test_*.py")]
    known = {name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M)}
    assert len(named) > 40
    assert named <= known, named - known
