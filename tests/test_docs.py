"""The documents keep what they promise: generated pages are current, links lead somewhere, commands exist."""

import re
import subprocess
from pathlib import Path

import click
import licences
import pytest
import settings_page

from lms_plugin.cli import main
from lms_plugin.config import Settings

HOUSE = Path(__file__).resolve().parent.parent
PAGES = sorted([*HOUSE.glob("*.md"), *(HOUSE / "docs").rglob("*.md"), *(HOUSE / "deploy").rglob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
PLACES = re.compile(r"/opt/nengli/|/etc/nengli/nengli\.env|/var/lib/nengli")
PICTURES = re.compile(r'^        "([a-z-]+)": \((?:ON_PHONE|"[a-z-]+"), f?"', re.M)


def test_the_page_of_settings_is_current() -> None:
    assert set(settings_page.MEANINGS) == set(Settings.model_fields), "one row a setting in tools/settings_page.py"
    assert settings_page.PAGE.read_text(encoding="utf-8") == settings_page.page(), "run `make fix`"


def test_what_we_install_is_free_of_gpl() -> None:
    packages = licences.runtime()
    assert {"flask", "sqlmodel", "psycopg"} <= {one.name for one in packages}
    unsaid = [one.name for one in packages if not one.licence]
    assert not unsaid, f"whose licence is not known: {unsaid}"
    copyleft = [one for one in packages if licences.COPYLEFT.search(one.licence)]
    assert not copyleft, f"does not fit Apache-2.0: {copyleft}"


@pytest.mark.parametrize(
    ("words", "is_copyleft"),
    [
        ("GPL-3.0-or-later", True),
        ("AGPL-3.0-only", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("LGPL-3.0-only", False),
        ("GNU Lesser General Public License v3", False),
        ("MIT", False),
    ],
)
def test_the_licence_rule_knows_what_it_says(words: str, is_copyleft: bool) -> None:
    assert bool(licences.COPYLEFT.search(words)) is is_copyleft


def test_the_page_of_licences_names_every_package() -> None:
    """Versions come from the pins, so every machine that installs by them agrees with the page."""
    page = licences.PAGE.read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)$", (HOUSE / "constraints.txt").read_text(encoding="utf-8"), re.M))
    missing = [one.name for one in licences.runtime() if f"| {one.name} | {pinned[one.name]} |" not in page]
    assert not missing, f"run `make fix`: {missing}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(HOUSE).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Pictures may be absent until the journey has made them; their names must be among those it makes."""
    made = set(PICTURES.findall((HOUSE / "tests/journey/test_whole_story.py").read_text(encoding="utf-8")))
    assert "teacher-home" in made
    problems = []
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:|#", target):
            continue
        path = (page.parent / target.split("#")[0]).resolve()
        picture = re.fullmatch(r"(.+)-(zh-Hans|en)-(phone|desktop)\.png", path.name)
        if path.parent == HOUSE / "docs" / "screenshots" and picture and picture[1] in made:
            continue
        if not path.exists():
            problems.append(target)
    assert not problems, f"{page.name}: {problems}"


def commands(group: click.Group, so_far: str = "nengli") -> dict[str, click.Command]:
    """Every command by the words that call it."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= commands(command, f"{so_far} {name}")
        else:
            found[f"{so_far} {name}"] = command
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(HOUSE).as_posix())
def test_commands_that_are_named_exist(page: Path) -> None:
    known = commands(main)
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    problems = []
    for line in re.findall(r"(?:^|`|bin/)(nengli (?:[a-z]+ ?){1,2}[^`\n]*)", text, re.M):
        words = line.split("#")[0].split()
        command = known.get(" ".join(words[:3])) or known.get(" ".join(words[:2]))
        if command is None:
            problems.append(line)
            continue
        options = {option for parameter in command.params for option in (*parameter.opts, "--help")}
        problems += [f"{line}: {word}" for word in words if word.startswith("--") and word.split("=")[0] not in options]
    assert not problems, problems


def test_the_examples_for_an_installation_agree() -> None:
    """The command, the two services and the document name one program, one file of settings and one folder."""
    deploy = HOUSE / "deploy"
    files = [deploy / name for name in ("nengli", "nengli-web.service", "nengli-worker.service", "README.md")]
    for path in files:
        told = path.read_text(encoding="utf-8")
        assert {"/opt/nengli/", "/etc/nengli/nengli.env", "/var/lib/nengli"} <= set(PLACES.findall(told)), path.name
    assert (deploy / "nengli").stat().st_mode & 0o111 == 0o111
    assert subprocess.run(["/bin/sh", "-n", deploy / "nengli"], check=False).returncode == 0
