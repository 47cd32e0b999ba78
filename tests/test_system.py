"""What `make test` gets from a system of the two kinds that it is made for; apt and sudo are stand-ins."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import cluster
import firefox
import playwright
import pytest
import system

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'
UBUNTU = 'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n'
PANGO = ("libharfbuzz-subset0", "libpango-1.0-0", "libpangoft2-1.0-0")
BY_HAND = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"


@dataclass
class Machine:
    """A machine with nothing installed: its commands write down how they were called."""

    folder: Path
    patch: pytest.MonkeyPatch

    def command(self, name: str, *lines: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(
            "\n".join(["#!/bin/sh", f'echo "{name} $*" >>{self.folder}/said', *lines, ""]), encoding="utf-8"
        )
        path.chmod(0o755)

    def is_a(self, release: str, user: int) -> None:
        (self.folder / "os-release").write_text(release, encoding="utf-8")
        self.patch.setattr(os, "geteuid", lambda: user)

    @property
    def said(self) -> list[str]:
        path = self.folder / "said"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    @property
    def installed(self) -> list[str]:
        """The packages that apt was asked to install."""
        asked = [line.partition(" install ")[2].split() for line in self.said if line.startswith("apt-get")]
        return sorted({package for packages in asked for package in packages})


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    one = Machine(tmp_path, monkeypatch)
    (tmp_path / "bin").mkdir()
    for name in ("env", "tee", "mkdir"):
        (tmp_path / "bin" / name).symlink_to(f"/usr/bin/{name}")
    for name in ("NENGLI_TEST_CHROMIUM", "NENGLI_TEST_FIREFOX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "browsers"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(playwright, "__file__", str(tmp_path / "playwright" / "__init__.py"))
    monkeypatch.setattr(system, "RELEASE", tmp_path / "os-release")
    monkeypatch.setattr(system, "CLUSTER_POLICY", tmp_path / "etc" / "createcluster.conf")
    monkeypatch.setattr(system, "CLUSTER_TEMPLATE", tmp_path / "nowhere")
    monkeypatch.setattr(system, "LIBRARIES", tmp_path / "nowhere")
    monkeypatch.setattr(cluster, "DEBIAN_KEEPS_IT_IN", tmp_path / "nowhere")
    for name in ("apt-get", "playwright"):
        one.command(name)
    return one


def test_a_bare_debian_is_given_all_that_the_tests_need(machine: Machine) -> None:
    """npm too: what drives Firefox comes by it, and a fresh Debian has none."""
    machine.is_a(DEBIAN, user=0)
    assert [need.name for need in system.missing()] == [
        "PostgreSQL",
        "Chromium",
        "Firefox",
        "npm",
        "libatomic",
        "Pango",
        "a Chinese font",
    ]
    assert system.install(system.missing()) == ""
    assert machine.installed == [
        "chromium",
        "firefox-esr",
        "fontconfig",
        "fonts-noto-cjk",
        "libatomic1",
        *PANGO,
        "npm",
        "postgresql",
    ]
    assert "create_main_cluster = false" in system.CLUSTER_POLICY.read_text(encoding="utf-8")


def test_ubuntu_gets_its_chromium_from_playwright_and_no_snap(machine: Machine) -> None:
    machine.is_a(UBUNTU, user=0)
    assert system.install(system.missing()) == ""
    assert machine.installed == ["fontconfig", "fonts-noto-cjk", "libatomic1", *PANGO, "postgresql"]
    assert [line for line in machine.said if line.startswith("playwright")] == [
        "playwright install-deps chromium",
        "playwright install chromium",
    ]


def test_what_playwright_could_not_fetch_is_said(machine: Machine) -> None:
    machine.is_a(UBUNTU, user=0)
    machine.command("playwright", 'echo "Error: no way to the download\n  at trace" >&2', "exit 1")
    reason = system.install(system.missing())
    assert "no way to the download" in reason
    assert "playwright install --with-deps chromium" in reason


@pytest.mark.parametrize(
    ("release", "by_hand"),
    [
        (
            DEBIAN,
            f"sudo apt install postgresql chromium firefox-esr npm libatomic1 {BY_HAND} fonts-noto-cjk fontconfig",
        ),
        (
            UBUNTU,
            f"sudo apt install postgresql libatomic1 {BY_HAND} fonts-noto-cjk fontconfig"
            " && .venv/bin/playwright install --with-deps chromium",
        ),
    ],
    ids=["debian", "ubuntu"],
)
def test_without_the_right_it_says_what_to_install_by_hand(machine: Machine, release: str, by_hand: str) -> None:
    """No password is ever asked for: sudo is tried with -n alone, and one that would ask is none."""
    machine.is_a(release, user=1000)
    machine.command("sudo", "exit 1")
    assert system.install(system.missing()).endswith(f": {by_hand}")
    assert machine.said == ["sudo -n true"]


def test_sudo_without_a_password_is_used(machine: Machine) -> None:
    machine.is_a(DEBIAN, user=1000)
    machine.command("sudo", "shift", 'exec "$@"')
    (machine.folder / "bin" / "true").symlink_to("/usr/bin/true")
    assert system.install(system.missing()) == ""
    assert "npm" in machine.installed
    assert all(line.startswith("sudo -n ") for line in machine.said if line.startswith("sudo"))


def test_a_machine_without_apt_is_told_what_is_missing(machine: Machine) -> None:
    machine.is_a("ID=fedora\n", user=0)
    (machine.folder / "bin" / "apt-get").unlink()
    assert system.install(system.missing()).endswith("npm, libatomic, Pango, a Chinese font")


def test_a_snap_is_no_browser(machine: Machine) -> None:
    """Ubuntu's chromium-browser is a script that calls snap; a program of the same name is taken."""
    stub = machine.folder / "bin" / "chromium-browser"
    stub.write_text("#!/bin/sh\nexec /snap/bin/chromium\n", encoding="utf-8")
    stub.chmod(0o755)
    assert system.browser() is None
    stub.write_text("#!/bin/sh\nexec /usr/lib/chromium/chromium\n", encoding="utf-8")
    assert system.browser() == str(stub)


def test_a_chromium_that_playwright_cannot_drive_is_none(machine: Machine) -> None:
    """Playwright's own Node does not start on a small system: that is said once, and no journey fails for it."""
    assert system.without_browser() == "no Chromium on this machine"
    machine.command("chromium")
    assert "libatomic1" in system.without_browser()
    machine.command("node")
    node = firefox.node()
    node.parent.mkdir(parents=True)
    (machine.folder / "bin" / "node").rename(node)
    assert system.without_browser() == ""


def test_without_firefox_nothing_is_fetched_to_drive_it(machine: Machine) -> None:
    assert firefox.prepare() == []
    assert machine.said == []
    assert "NENGLI_TEST_FIREFOX" in firefox.missing()


def test_with_firefox_and_without_npm_it_says_so(machine: Machine) -> None:
    machine.command("firefox-esr")
    assert firefox.prepare() == ["puppeteer-core could not be installed: there is no npm on this machine"]
