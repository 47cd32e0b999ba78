"""The block's distribution, installed as a site installs it, for processes of other environments."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import stock

SOURCE = stock.HOUSE / "lms_plugin" / "xblock"


@cache
def installed() -> Path:
    """The folder that such a process puts first among its paths: a wheel is built from a copy and unpacked there. Once
    for all environments: it holds nothing but Python and data. Gone when the tests are over."""
    python = stock.python_of(stock.GENERATIONS[0])
    assert python is not None
    folder = Path(tempfile.mkdtemp(prefix="nengli-block-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy, target = folder / "source", folder / "installed"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    failure = stock.run([*pip, "--no-build-isolation", "--target", str(target), str(copy)], 120)
    assert not failure, failure
    return target
