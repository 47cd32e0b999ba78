"""What the tests need of the system, and getting it with apt where we may: as root or by `sudo -n`, never a prompt."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cluster
import firefox

RELEASE = Path("/etc/os-release")
CLUSTER_POLICY = Path("/etc/postgresql-common/createcluster.conf")
CLUSTER_TEMPLATE = Path("/usr/share/postgresql-common/createcluster.conf")
LIBRARIES = Path("/usr/lib")
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


@dataclass(frozen=True)
class Need:
    """One thing of the system: how to see it, and the packages that bring it."""

    name: str
    packages: tuple[str, ...]
    is_there: Callable[[], bool]
    on_ubuntu: bool = True  # False: Ubuntu's package of that name is missing, or only a pointer to a snap


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


def without_browser() -> str:
    """Why no browser journey can run on this machine; "" when they can."""
    if browser() is None:
        return "no Chromium on this machine"
    return "" if firefox.node_runs() else "the Node that Playwright brings does not start (libatomic1)"


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


def has_pango() -> bool:
    """Are the libraries there with which WeasyPrint sets pages?"""
    names = ("libpango-1.0.so.0", "libpangoft2-1.0.so.0", "libharfbuzz-subset.so.0")
    return all(any(LIBRARIES.glob(f"*/{name}")) or (LIBRARIES / name).exists() for name in names)


NEEDS = (
    Need("PostgreSQL", ("postgresql",), lambda: cluster.programs() is not None),
    Need("Chromium", ("chromium",), lambda: browser() is not None, on_ubuntu=False),
    Need("Firefox", ("firefox-esr",), lambda: firefox.browser() is not None, on_ubuntu=False),
    # npm fetches what drives Firefox, once; where there can be no Firefox nobody needs it
    Need("npm", ("npm",), lambda: shutil.which("npm") is not None or firefox.driver() is not None, on_ubuntu=False),
    Need("libatomic", ("libatomic1",), firefox.node_runs),  # Playwright's Node leans on it
    Need("Pango", ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0"), has_pango),  # pages on paper
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
    """Installs what brings those needs. Returns "" or, in one sentence, why it could not."""
    ubuntu = is_ubuntu()
    packages = [package for need in needs if need.on_ubuntu or not ubuntu for package in need.packages]
    from_playwright = ubuntu and any(need.name == "Chromium" for need in needs)
    ways = [f"sudo apt install {' '.join(packages)}"] if packages else []
    ways += [".venv/bin/playwright install --with-deps chromium"] if from_playwright else []
    by_hand = " && ".join(ways)
    if not ways:
        return ""
    if shutil.which("apt-get") is None:
        return f"this system has no apt; install by hand: {', '.join(need.name for need in needs)}"
    root = privilege()
    if root is None:
        return f"no right to install packages here (not root, and sudo would ask): {by_hand}"
    failures = [with_apt(root, packages)] if packages else []
    failures += [by_playwright(root)] if from_playwright else []
    failure = "; ".join(filter(None, failures))
    return f"could not install ({failure}): {by_hand}" if failure else ""


def with_apt(root: list[str], packages: list[str]) -> str:
    """Installs Debian packages, without Debian's PostgreSQL server on port 5432. Returns "" or apt's last line."""
    fresh = "postgresql" in packages and not CLUSTER_POLICY.exists()
    if fresh:
        write_policy(root, "create_main_cluster = false\n")
    try:
        return apt(root, packages)
    finally:
        if fresh and CLUSTER_TEMPLATE.exists():
            write_policy(root, CLUSTER_TEMPLATE.read_text(encoding="utf-8"))  # as the package would have left it


def is_ubuntu() -> bool:
    """Is this an Ubuntu, whose browsers are snaps?"""
    return RELEASE.exists() and "\nID=ubuntu\n" in "\n" + RELEASE.read_text(encoding="utf-8")


def by_playwright(root: list[str]) -> str:
    """Fetches Playwright's own Chromium and, as root, the libraries it needs. Returns "" or what went wrong."""
    tool = str(Path(sys.executable).with_name("playwright"))
    for command in ([*root, tool, "install-deps", "chromium"], [tool, "install", "chromium"]):
        done = run(command)
        if done.returncode != 0:
            errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]  # then comes a trace
            return errors[0] if errors else last_line(done)
    return ""


def apt(root: list[str], packages: list[str]) -> str:
    """Runs apt-get install, after an update only when the first try fails. Returns "" or apt's last line."""
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "UCF_FORCE_CONFFOLD=1", "apt-get", "-q", "-y"]
    quiet += ["-o", "DPkg::Lock::Timeout=120"]
    install_them = [*root, *quiet, "--no-install-recommends", "install", *packages]
    done = run(install_them)
    if done.returncode != 0:
        run([*root, *quiet, "update"])
        done = run(install_them)
    return "" if done.returncode == 0 else last_line(done)


def last_line(done: "subprocess.CompletedProcess[str]") -> str:
    """What a command said in the end."""
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return (lines or ["no word"])[-1]


def run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    """One command without a terminal to ask on."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def write_policy(root: list[str], text: str) -> None:
    """Writes Debian's policy on new clusters."""
    subprocess.run([*root, "mkdir", "-p", str(CLUSTER_POLICY.parent)], check=False)
    subprocess.run([*root, "tee", str(CLUSTER_POLICY)], input=text, text=True, stdout=subprocess.DEVNULL, check=False)
