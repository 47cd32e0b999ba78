"""What browsers are sent: vendored files are what they claim, nothing needs an unsafe policy, and it stays small."""

import gzip
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "lms_plugin/static"
# What is only ever made into a PDF (`media.on_paper`) is no page: nothing of it reaches a browser.
PAPER = {
    ROOT / "lms_plugin/templates" / name
    for name in ("certificates/paper.html", "certificates/_paper_style.html", "workload/paper.html")
}
TEMPLATES = [path for path in sorted((ROOT / "lms_plugin/templates").rglob("*.html")) if path not in PAPER]
VENDORED = [*STATIC.rglob("VENDOR.json"), ROOT / "tests/vendor/VENDOR.json"]


@pytest.mark.parametrize("note", VENDORED, ids=lambda note: note.parent.name)
def test_vendored_files_are_what_they_claim(note: Path) -> None:
    said = json.loads(note.read_text())
    assert re.fullmatch(r"\d+\.\d+\.\d+", said["version"])
    assert said["licence"] in {"0BSD", "MPL-2.0"}
    present = {path.name for path in note.parent.iterdir()} - {"VENDOR.json"}
    assert present == set(said["files"])
    for name, digest in said["files"].items():
        assert hashlib.sha256((note.parent / name).read_bytes()).hexdigest() == digest, name


def test_htmx_is_the_pinned_one() -> None:
    body = (STATIC / "vendor/htmx-2.0.11/htmx.min.js").read_text()
    assert 'version:"2.0.11"' in body
    assert "includeIndicatorStyles" in body


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_need_no_unsafe_policy(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"\sstyle\s*=", text), "inline style"
    assert not re.search(r"<[^>{%]*\son[a-z]+\s*=", text), "inline handler"
    assert not re.search(r"hx-on|hx-vals=.js:|javascript:", text), "evaluated text"
    assert "<style" not in text
    for tag in re.findall(r"<script\b[^>]*>", text):
        assert "src=" in tag, "inline script"


def test_style_is_small_and_in_layers() -> None:
    sheets = sorted((STATIC / "css").glob("*.css"))
    assert sum(sheet.stat().st_size for sheet in sheets) <= 28 * 1024
    for sheet in sheets:
        text = sheet.read_text()
        assert len(text.splitlines()) <= 400
        outside = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        assert re.match(r"\s*@layer", outside)
        assert "url(" not in text
        assert "@import" not in text


def test_scripts_stand_alone() -> None:
    """Hashed names and relative imports do not go together; whatever scripts share is `nengli` of session.js."""
    for script in (STATIC / "js").glob("*.js"):
        text = script.read_text()
        assert len(text.splitlines()) <= 400
        assert not re.search(
            r"^\s*import[\s{*\"']|\beval\(|new Function|\bimport\(|document\.write", text, flags=re.M
        ), script.name


def scripts_of(template: Path) -> set[str]:
    """The scripts of ours that a template asks for, by name."""
    text = template.read_text()
    named = set(re.findall(r"js/([\w-]+)\.js", text))
    for listed in re.findall(r"for name in \(([^)]*)\)[^\n]*js/' ~ name", text):
        named |= set(re.findall(r'"([\w-]+)"', listed))
    return named


def test_first_view_is_light() -> None:
    """pages.md: first view at most 60 KB gzipped; the page itself gets 20 KB of it. The heaviest page counts."""

    def size(paths: Iterable[Path]) -> int:
        return sum(len(gzip.compress(path.read_bytes())) for path in paths)

    frame = scripts_of(STATIC.parent / "templates" / "_frame.html")
    assert len(frame) >= 4
    pages = {path: scripts_of(path) - frame for path in TEMPLATES if path.name != "kit.html"}
    assert {"autosave", "mark", "player"} in pages.values()
    shared = [*(STATIC / "css").glob("*.css"), STATIC / "vendor/htmx-2.0.11/htmx.min.js"]
    shared += [STATIC / "js" / f"{name}.js" for name in frame]
    heaviest = max(size(STATIC / "js" / f"{name}.js" for name in names) for names in pages.values())
    assert size(shared) + heaviest <= 40 * 1024
