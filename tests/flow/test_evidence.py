"""The copy that reviewers read is made once, under its last name at once, and anew by makers that leave out more."""

import io
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from lms_plugin import media
from lms_plugin.flow.evidence import Readable
from lms_plugin.storage import Storage, new_key
from tests.media.unpacking import named_in

FILES = Path(__file__).parent.parent / "files"
NEEDLES = ("王秀兰", "QH20240017", "PhoneMaker")


def for_a_reviewer(storage: Storage, name: str) -> Readable:
    found = media.inspect(FILES / name, name)
    data, key = (FILES / name).read_bytes(), new_key()
    storage.create(key)
    storage.write_part(key, 0, io.BytesIO(data), len(data))
    storage.commit(key)
    return Readable("0" * 32, key, "image", found.mime, found.extension, "材料1", None, len(data), True, 0)


@pytest.mark.parametrize(("name", "served_as"), [("photo.heic", "材料1.jpg"), ("photo.png", "材料1.png")])
def test_a_copy_stands_under_its_last_name_only(name: str, served_as: str, tmp_path: Path) -> None:
    """A second reviewer who asks while it is made must not be given a path that is about to go."""
    taken: list[Path] = []

    class Watched(Storage):
        def replacing(self, key: str, name: str) -> AbstractContextManager[Path]:
            taken.append(self.derived(key, name))
            return super().replacing(key, name)

    storage = Watched(tmp_path)
    file = for_a_reviewer(storage, name)
    path, mime, shown = file.served(storage)
    assert taken == [path]
    assert (mime, shown) == (media.inspect(path, shown).mime, served_as)
    assert file.served(storage) == (path, mime, shown)
    assert taken == [path]  # once
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_copy_of_an_earlier_edition_is_made_anew_and_goes(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    file = for_a_reviewer(storage, "photo.jpg")
    for older in ("reviewer.jpg", "reviewer-1.jpg"):
        storage.derived(file.storage_key, older).write_bytes((FILES / "photo.jpg").read_bytes())
    path, _mime, _name = file.served(storage)
    assert named_in(path.read_bytes(), NEEDLES) == set()
    assert [one.name for one in path.parent.iterdir()] == [path.name]
