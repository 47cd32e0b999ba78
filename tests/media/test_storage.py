"""Bytes on disk: parts, cuts, two writers at once, and keys that are no keys."""

import contextlib
import hashlib
import io
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms_plugin.errors import Conflict, NotFound, Refused
from lms_plugin.storage import Storage, new_key


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


class Cut:
    """A line that breaks after some bytes."""

    def __init__(self, data: bytes) -> None:
        self.inner = io.BytesIO(data)

    def read(self, size: int, /) -> bytes:
        piece = self.inner.read(size)
        if not piece:
            raise ConnectionError("cut")
        return piece


def test_parts_then_commit_then_ranges(storage: Storage) -> None:
    key = new_key()
    storage.create(key)
    data = bytes(range(256)) * 10_000
    assert storage.write_part(key, 0, io.BytesIO(data[:1_500_000]), len(data)) == 1_500_000
    assert storage.size(key) == 1_500_000
    assert storage.write_part(key, 1_500_000, io.BytesIO(data[1_500_000:]), len(data)) == len(data)
    assert not storage.committed(key)
    digest = hashlib.sha256(data).hexdigest()
    assert storage.commit(key) == digest
    assert storage.commit(key) == digest
    assert storage.committed(key)
    assert b"".join(storage.open_range(key, 10, 2_000_000)) == data[10:2_000_000]
    assert b"".join(storage.open_range(key, 0, 1 << 40)) == data
    assert storage.path(key).stat().st_mode & 0o222 == 0
    with pytest.raises(Conflict, match=r"upload\.finished"):
        storage.write_part(key, len(data), io.BytesIO(b"more"), len(data) + 4)
    with pytest.raises(Conflict, match=r"upload\.exists"):
        storage.create(key)


def test_a_cut_line_keeps_what_arrived(storage: Storage) -> None:
    key = new_key()
    storage.create(key)
    with pytest.raises(ConnectionError):
        storage.write_part(key, 0, Cut(b"x" * 3_000_000), 5_000_000)
    assert storage.size(key) == 3_000_000
    assert storage.write_part(key, 3_000_000, io.BytesIO(b"y" * 2_000_000), 5_000_000) == 5_000_000


def test_never_beyond_the_declared_size(storage: Storage) -> None:
    key = new_key()
    storage.create(key)
    with pytest.raises(Refused, match=r"upload\.too_long"):
        storage.write_part(key, 0, io.BytesIO(b"x" * 11), 10)
    assert storage.size(key) == 10


def test_a_wrong_offset_says_the_right_one(storage: Storage) -> None:
    key = new_key()
    storage.create(key)
    storage.write_part(key, 0, io.BytesIO(b"12345"), 10)
    for offset in (0, 4, 6):
        with pytest.raises(Conflict) as conflict:
            storage.write_part(key, offset, io.BytesIO(b"x"), 10)
        assert conflict.value.params == {"offset": 5}
    assert storage.size(key) == 5


def test_two_writers_cannot_interleave(storage: Storage) -> None:
    key = new_key()
    storage.create(key)
    started, go_on = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            started.set()
            assert go_on.wait(10)
            return super().read(size)

    first = threading.Thread(target=storage.write_part, args=(key, 0, Slow(b"a" * 100), 200))
    first.start()
    assert started.wait(10)
    with pytest.raises(Conflict, match=r"upload\.busy"):
        Storage(storage.root).write_part(key, 0, io.BytesIO(b"b" * 100), 200)
    with pytest.raises(Conflict, match=r"upload\.busy"):
        storage.commit(key)
    go_on.set()
    first.join(10)
    assert b"".join(storage.open_range(key, 0, 200)) == b"a" * 100


@pytest.mark.parametrize(
    "key", ["", "..", "../../etc", "a" * 31, "A" * 32, "a" * 33, "a" * 32 + "\n", "g" * 32, "a/" * 16]
)
def test_keys_that_are_no_keys(storage: Storage, key: str) -> None:
    for act in (storage.create, storage.size, storage.commit, storage.path, storage.delete):
        with pytest.raises(NotFound):
            act(key)


def test_derived_things_live_and_die_with_the_file(storage: Storage) -> None:
    key = new_key()
    storage.create(key)
    with storage.replacing(key, "reviewer.docx") as draft:
        draft.write_bytes(b"copy")
        assert not storage.derived(key, "reviewer.docx").exists()
    assert storage.derived(key, "reviewer.docx").read_bytes() == b"copy"
    with contextlib.suppress(ValueError), storage.replacing(key, "reviewer.docx") as draft:
        draft.write_bytes(b"half")
        raise ValueError
    assert storage.derived(key, "reviewer.docx").read_bytes() == b"copy"
    folder = storage.derived(key, "reviewer.docx").parent
    assert [p.name for p in folder.iterdir()] == ["reviewer.docx"]
    for name in ("../x", "a/b", "", ".hidden", "a..b", "x" * 65):
        with pytest.raises(Refused, match=r"storage\.name"):
            storage.derived(key, name)
    storage.delete(key)
    storage.delete(key)
    assert not folder.exists()
    with pytest.raises(NotFound):
        storage.derived(key, "reviewer.docx")
    with pytest.raises(NotFound):
        storage.open_range(key, 0, 1)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=3000), st.lists(st.integers(1, 900), max_size=8))
def test_any_way_of_cutting_gives_the_same_file(data: bytes, cuts: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(Path(folder))
        key = new_key()
        storage.create(key)
        for cut in [*cuts, len(data)]:
            offset = storage.size(key)
            storage.write_part(key, offset, io.BytesIO(data[offset : offset + cut]), len(data))
        assert storage.commit(key) == hashlib.sha256(data).hexdigest()
