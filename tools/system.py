"""What the tests need of the system, and getting it with apt where we may: as root or by `sudo -n`, never a prompt."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cluster

CLUSTER_POLICY = Path("/etc/postgresql-common/createcluster.conf")
CLUSTER_TEMPLATE = Path("/usr/share/postgresql-common/createcluster.conf")
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


@dataclass(frozen=True)
class Need:
    """One thing of the system: how to see it, the Debian packages that bring it, what cannot run without it."""

    name: str
    packages: tuple[str, ...]
    is_there: Callable[[], bool]


def browser() -> str | None:
    """The path of a Chromium that Playwright can drive: the system's, or the one Playwright keeps for itself."""
    chosen = os.environ.get("NENGLI_TEST_CHROMIUM")
    if chosen:
        return chosen
    for name in BROWSERS:
        path = shutil.which(name)
        if path and not is_snap_stub(Path(path)):
            return path
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    own = sorted(cache.glob("chromium-*/chrome-linux*/chrome"))
    return str(own[-1]) if own else None


def is_snap_stub(path: Path) -> bool:
    """Ubuntu's `chromium-browser` is a shell script that starts a snap, which cannot be driven by Playwright."""
    target = path.resolve()
    if "snap" in target.parts or target.name == "snap":
        return True
    return target.stat().st_size < 10_000 and b"snap" in target.read_bytes()


def has_cjk_font() -> bool:
    """Is there a font with Chinese characters?"""
    tool = shutil.which("fc-list")
    if tool is None:
        return False
    return bool(subprocess.run([tool, ":lang=zh-cn"], capture_output=True, check=False).stdout.strip())


NEEDS = (
    Need("PostgreSQL", ("postgresql",), lambda: cluster.programs() is not None),
    Need("Chromium", ("chromium",), lambda: browser() is not None),
    Need("Firefox", ("firefox-esr",), lambda: shutil.which("firefox-esr") is not None),
    Need("a Chinese font", ("fonts-noto-cjk", "fontconfig"), has_cjk_font),
)


def missing() -> list[Need]:
    """The needs that this machine does not meet."""
    return [need for need in NEEDS if not need.is_there()]


def privilege() -> list[str] | None:
    """The words before a command that make it run as root; None where that would take a password."""
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ["sudo", "-n"]
    return None


def install(needs: list[Need]) -> str:
    """Installs the packages of those needs. Returns "" or, in one sentence, why it could not."""
    packages = [package for need in needs for package in need.packages]
    by_hand = f"sudo apt install {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        return f"this system has no apt; install by hand: {', '.join(need.name for need in needs)}"
    root = privilege()
    if root is None:
        return f"no right to install packages here (not root, and sudo would ask): {by_hand}"
    if is_ubuntu() and any(need.name == "Chromium" for need in needs):
        packages = [package for package in packages if package != "chromium"]  # there it is a snap: see below
        by_playwright(root)
    if is_ubuntu():
        packages = [package for package in packages if package != "firefox-esr"]  # only Debian has it
    if not packages:
        return ""
    fresh = any(need.name == "PostgreSQL" for need in needs) and not CLUSTER_POLICY.exists()
    if fresh:
        write_policy(root, "create_main_cluster = false\n")  # else Debian starts a server on port 5432 at once
    try:
        failure = apt(root, packages)
    finally:
        if fresh and CLUSTER_TEMPLATE.exists():
            write_policy(root, CLUSTER_TEMPLATE.read_text(encoding="utf-8"))  # as the package would have left it
    return f"apt could not install ({failure}): {by_hand}" if failure else ""


def is_ubuntu() -> bool:
    """Is this an Ubuntu, whose `chromium` package is only a pointer to a snap?"""
    release = Path("/etc/os-release")
    return release.exists() and "\nID=ubuntu\n" in "\n" + release.read_text(encoding="utf-8")


def by_playwright(root: list[str]) -> None:
    """Fetches Playwright's own Chromium and, as root, the libraries it needs. Failure shows as "still missing"."""
    tool = str(Path(".venv/bin/playwright").absolute())
    subprocess.run([*root, tool, "install-deps", "chromium"], capture_output=True, check=False)
    subprocess.run([tool, "install", "chromium"], capture_output=True, check=False)


def apt(root: list[str], packages: list[str]) -> str:
    """Runs apt-get install, after an update only when the first try fails. Returns "" or apt's last line."""
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "UCF_FORCE_CONFFOLD=1", "apt-get", "-q", "-y"]
    quiet += ["-o", "DPkg::Lock::Timeout=120"]
    install_them = [*root, *quiet, "--no-install-recommends", "install", *packages]
    done = run(install_them)
    if done.returncode != 0:
        run([*root, *quiet, "update"])
        done = run(install_them)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return "" if done.returncode == 0 else (lines or ["no word"])[-1]


def run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    """One command without a terminal to ask on."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def write_policy(root: list[str], text: str) -> None:
    """Writes Debian's policy on new clusters."""
    subprocess.run([*root, "mkdir", "-p", str(CLUSTER_POLICY.parent)], check=False)
    subprocess.run([*root, "tee", str(CLUSTER_POLICY)], input=text, text=True, stdout=subprocess.DEVNULL, check=False)
