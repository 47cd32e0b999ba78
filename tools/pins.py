"""Writes constraints.txt: the exact version of every package that the runtime and the tests need, by name.

`make pins` reads them from the environment that has just been tested; `make pins UPGRADE=1` first takes the newest of
everything. The list is the closure of setup.cfg's requirements, so a package that somebody tried by hand stays out.
"""

import configparser
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HOUSE = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13")  # the versions that must install from one list


def needed(name: str, extras: frozenset[str], found: dict[str, str], missing: set[str], seen: set[str]) -> None:
    """Adds the packages that `name[extras]` needs under any supported Python, depth first."""
    key = f"{canonicalize_name(name)}[{','.join(sorted(extras))}]"
    if key in seen:
        return
    seen.add(key)
    try:
        package = distribution(name)
    except PackageNotFoundError:
        missing.add(name)
        return
    found[canonicalize_name(name)] = package.version
    for line in package.requires or []:
        requirement = Requirement(line)
        if any(applies(requirement, python, extra) for python in PYTHONS for extra in (extras or {""})):
            needed(requirement.name, frozenset(requirement.extras), found, missing, seen)


def applies(requirement: Requirement, python: str, extra: str) -> bool:
    """Does the requirement count on Linux under this Python, with this extra asked for?"""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "extra": extra,
    }
    return requirement.marker is None or requirement.marker.evaluate(environment)


def main() -> int:
    """Rewrites constraints.txt; 1 when a needed package is not installed."""
    if "--upgrade" in sys.argv[1:]:
        command = [sys.executable, "-m", "pip", "install", "--upgrade", "--upgrade-strategy", "eager", "-e", ".[test]"]
        subprocess.run(command, cwd=HOUSE, check=True)
    found: dict[str, str] = {}
    missing: set[str] = set()
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(HOUSE / "setup.cfg", encoding="utf-8")
    asked = setup["options"]["install_requires"] + setup["options.extras_require"]["test"]
    for requirement in (Requirement(line) for line in asked.split("\n") if line.strip()):
        needed(requirement.name, frozenset(requirement.extras), found, missing, set())
    if missing:
        print(f"not installed, so not pinned: {', '.join(sorted(missing))}", file=sys.stderr)
        return 1
    lines = [
        "# Every version that the runtime and the tests are run with. Written by `make pins`; do not edit by hand."
    ]
    lines += [f"{name}=={version}" for name, version in sorted(found.items())]
    (HOUSE / "constraints.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"constraints.txt: {len(found)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
