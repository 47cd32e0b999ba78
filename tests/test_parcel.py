"""Parcels: the same data make the same hash, packing goes on where it was cut off, and traps are refused unread."""

import hashlib
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from lms_plugin import parcel
from lms_plugin.errors import Refused

FACTS = {"format": "test", "version": 1}
BYTES = b"a lesson plan" * 1000


def packed(path: Path, files: Iterable[Path] = (), lines: int = 3) -> str:
    """A whole parcel at that path; gives its hash."""
    packing = parcel.Packing(path)
    with packing.member("data/things.jsonl") as target:
        for number in range(lines):
            target.write(parcel.line({"number": number, "name": "王老师"}))
    packing.text("index.html", "<p>你好</p>")
    packing.checkpoint()
    for one in files:
        assert packing.file(one, hashlib.sha256(one.read_bytes()).hexdigest(), "pdf")
    packing.checkpoint()
    return packing.finish(FACTS)


def file_in(folder: Path, data: bytes = BYTES, name: str = "plan.pdf") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_what_was_packed_comes_out_and_is_what_the_manifest_says(tmp_path: Path) -> None:
    told = packed(tmp_path / "a.zip", [file_in(tmp_path)])
    seen: list[str] = []
    with parcel.Opened(tmp_path / "a.zip") as opened:
        opened.must_be("test", (1,))
        opened.verify(lambda member: seen.append(member.name))
        assert opened.hash == told
        assert [row["number"] for row in opened.rows("data/things.jsonl")] == [0, 1, 2]
        name = parcel.file_name(hashlib.sha256(BYTES).hexdigest(), "PDF")
        with opened.stream(name) as stream:
            assert stream.read() == BYTES
    assert seen == ["data/things.jsonl", name, "index.html"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "plan.pdf"]


def test_packing_goes_on_from_the_last_checkpoint_to_the_same_hash(tmp_path: Path) -> None:
    first, second = file_in(tmp_path), file_in(tmp_path, b"other", "b.pdf")
    whole = packed(tmp_path / "whole.zip", [first, second])
    path = tmp_path / "cut.zip"
    packing = parcel.Packing(path)
    with packing.member("data/things.jsonl") as target:
        for number in range(3):
            target.write(parcel.line({"number": number, "name": "王老师"}))
    packing.text("index.html", "<p>你好</p>")
    packing.checkpoint()
    packing.file(first, hashlib.sha256(BYTES).hexdigest(), "pdf")
    packing._zip.fp.flush()  # cut off: the directory of the checkpoint is written over, no new one is there
    os.truncate(path, path.stat().st_size - 100)
    again = parcel.Packing(path)
    assert "index.html" in again
    assert parcel.file_name(hashlib.sha256(BYTES).hexdigest(), "pdf") not in again
    for one in (first, second):
        assert again.file(one, hashlib.sha256(one.read_bytes()).hexdigest(), "pdf")
    again.checkpoint()
    assert again.finish(FACTS) == whole


def test_bytes_that_are_no_longer_what_was_handed_in_stay_out(tmp_path: Path) -> None:
    packing = parcel.Packing(tmp_path / "a.zip")
    path = file_in(tmp_path)
    assert not packing.file(path, "0" * 64, "pdf")
    assert not packing.file(tmp_path / "gone.pdf", "0" * 64, "pdf")
    packing.checkpoint()
    packing.finish(FACTS)
    with parcel.Opened(tmp_path / "a.zip") as opened:
        assert list(opened.contents()) == []


def rewritten(path: Path, change: dict[str, bytes | None], more: dict[str, bytes] | None = None) -> Path:
    """The parcel with some members exchanged, taken out or put in."""
    target = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            data = change.get(info.filename, old.read(info))
            if data is not None:
                new.writestr(info, data)
        for name, data in (more or {}).items():
            new.writestr(name, data)
    return target


@pytest.mark.parametrize(
    ("change", "more"),
    [
        ({"data/things.jsonl": b'{"number":0}\n'}, None),
        ({"index.html": None}, None),
        ({"contents.jsonl": b""}, None),
        ({"contents.jsonl": b'{"name":1}\n'}, None),
        ({}, {"data/others.jsonl": b"{}\n"}),
    ],
)
def test_what_was_changed_after_packing_is_named(
    tmp_path: Path, change: dict[str, bytes | None], more: dict[str, bytes] | None
) -> None:
    packed(tmp_path / "a.zip", [file_in(tmp_path)])
    with parcel.Opened(rewritten(tmp_path / "a.zip", change, more)) as opened, pytest.raises(Refused) as refused:
        opened.verify()
    assert refused.value.code == "parcel.changed"


@pytest.mark.parametrize(
    "name", ["../evil.jsonl", "/etc/passwd", "data\\x.jsonl", "data/..", "files/ab/x", "DATA.JSON", "a/b/c/d.json"]
)
def test_names_that_lead_elsewhere_are_a_trap(tmp_path: Path, name: str) -> None:
    packed(tmp_path / "a.zip")
    with pytest.raises(Refused) as refused:
        parcel.Opened(rewritten(tmp_path / "a.zip", {}, {name: b"x"}))
    assert refused.value.code == "parcel.trap"


def test_a_bomb_is_a_trap_before_it_is_unpacked(tmp_path: Path) -> None:
    packed(tmp_path / "a.zip")
    target = tmp_path / "bomb.zip"
    with zipfile.ZipFile(tmp_path / "a.zip") as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
        new.writestr("data/bomb.jsonl", b"0" * (20 << 20))
    with pytest.raises(Refused) as refused:
        parcel.Opened(target)
    assert refused.value.code == "parcel.trap"


def test_what_somebody_typed_over_and_over_is_no_trap(tmp_path: Path) -> None:
    packing = parcel.Packing(tmp_path / "a.zip")
    text = "哈" * (2 << 20)
    with packing.member("data/evidence.jsonl") as target:
        target.write(parcel.line({"text": text, "parts": {"a": text}}))
    packing.text("pages/person.html", text)
    packing.checkpoint()
    packing.finish(FACTS)
    with parcel.Opened(tmp_path / "a.zip") as opened:
        opened.verify()
        assert [row["text"] for row in opened.rows("data/evidence.jsonl")] == [text]


def test_cut_off_files_others_and_none_are_refused(tmp_path: Path) -> None:
    packed(tmp_path / "a.zip", [file_in(tmp_path)])
    whole = (tmp_path / "a.zip").read_bytes()
    for data, code in (
        (whole[: len(whole) // 2], "parcel.unreadable"),
        (b"", "parcel.unreadable"),
        (whole.replace(b"a lesson", b"A LESSON"), "parcel.changed"),
    ):
        path = file_in(tmp_path, data, "other.zip")
        with pytest.raises(Refused) as refused:
            parcel.Opened(path).verify()
        assert refused.value.code == code
    with pytest.raises(Refused) as refused:
        parcel.Opened(tmp_path / "nothing.zip")
    assert refused.value.code == "parcel.not_there"


def test_another_kind_or_a_later_version_is_refused(tmp_path: Path) -> None:
    packed(tmp_path / "a.zip")
    with parcel.Opened(tmp_path / "a.zip") as opened:
        for kind, versions, code in (("other", (1,), "parcel.other_kind"), ("test", (0,), "parcel.version_unknown")):
            with pytest.raises(Refused) as refused:
                opened.must_be(kind, versions)
            assert refused.value.code == code
