"""What a programme takes of files: said before the upload, and held to by the server."""

from pathlib import Path

import pytest

from competencies import StoredFile
from lms_plugin import media
from lms_plugin.access import Actor
from lms_plugin.db import pk
from lms_plugin.errors import Refused
from lms_plugin.flow import drafts, point_view, submit, submit_views, uploads
from lms_plugin.flow.uploads import TooLarge
from lms_plugin.storage import Storage
from lms_plugin.web import programme_form, programme_words
from tests import people as cast
from tests.factories import World

MB = 1024 * 1024
RULES = {"most_pieces": 2, "most_mb": 10, "most_film_mb": 300, "not_taken": ["doc", "wps", "heic"]}


@pytest.fixture
def chen(world: World) -> Actor:
    return world.actor(cast.CHEN)


def work_of(world: World, chen: Actor) -> str:
    submit.choose_points(world.session, chen, world.programme.uuid, ["A3", "A6", "B1"], world.now)
    return submit_views.home(world.session, chen, world.programme.uuid, world.now).points[1].uuid


def test_size_number_and_kind_are_held_to(world: World, chen: Actor, tmp_path: Path) -> None:
    world.set_rules(files=RULES)
    work, storage = work_of(world, chen), Storage(tmp_path)

    def begin(key: str, name: str, size: int) -> str:
        return uploads.begin(world.session, chen, storage, work, key, name, size, 2048 * MB, world.now).uuid

    for key, name, most in (("design", "教案.docx", 10), ("clip", "课.mp4", 300)):
        with pytest.raises(TooLarge) as refused:
            begin(key, name, most * MB + 1)
        assert refused.value.params["most"] == most
    first = begin("design", "教案.docx", 10 * MB)
    assert set(uploads.incoming(world.session, chen, first).accept) == {"docx", "pdf", "jpg", "jpeg", "png"}
    for begun in (first, begin("design", "教案二.docx", 2)):
        uploads.note_progress(world.session, chen, begun, 1)  # what has not begun to travel gives its place up
    with pytest.raises(Refused, match=r"evidence\.too_many"):
        begin("design", "教案三.docx", 1)


def test_what_is_used_again_is_no_larger(world: World, chen: Actor) -> None:
    work = drafts.load_work(world.session, chen, work_of(world, chen))
    file = StoredFile(tenant_id=pk(world.tenant), person_id=chen.person_id, filename="课.mp4", storage_key="k" * 32,
                      size_bytes=301 * MB, started_at=world.now, kind="video", extension="mp4")  # fmt: skip
    assert work.fits(work.item("clip"), file)
    world.set_rules(files=RULES)
    work = drafts.load_work(world.session, chen, work.submission.uuid)
    assert not work.fits(work.item("clip"), file)


def test_it_is_said_before_the_upload(world: World, chen: Actor) -> None:
    work = work_of(world, chen)
    before = point_view.point_page(world.session, chen, work, world.now).slot("design")
    world.set_rules(files=RULES)
    slot = point_view.point_page(world.session, chen, work, world.now).slot("design")
    assert before is not None
    assert slot is not None
    assert (before.most_pieces, slot.most_pieces, slot.limits["max_mb"]) == (9, 2, 10)
    assert "doc" in before.accept
    assert "doc" not in slot.accept
    assert media.accepts(media.Inspection(extension="heic"), list(slot.accept)) is None


def test_the_form_brings_it_back_and_says_it(world: World) -> None:
    rules = world.set_rules(files=RULES)
    values = programme_form._values_of(rules)
    assert (values["most_mb"], values["not_taken"]) == (10, "doc wps heic")
    said = programme_words.parts(rules)["files"]
    assert "doc、wps、heic" in said
    assert programme_words.parts(world.set_rules())["files"] == ""
