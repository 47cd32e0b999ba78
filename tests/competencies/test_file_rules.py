"""What a programme takes of files is never more than its standard, and never nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from competencies import Files

KINDS = ("video", "audio", "document", "image", "text", "link")
FILES = st.builds(
    Files,
    most_pieces=st.integers(0, 9),
    most_mb=st.integers(0, 2048),
    most_film_mb=st.integers(0, 2048),
    not_taken=st.lists(st.sampled_from(["doc", "docx", "mp4", "heic"]), unique=True).map(tuple),
)
MB = st.integers(1, 2048)
LIMITS = st.fixed_dictionaries(
    {"max_minutes": st.integers(1, 40)},
    optional={
        "max_mb": MB,
        "max_files": st.integers(1, 9),
        "video": st.fixed_dictionaries({}, optional={"max_mb": MB}),
    },
)


@given(FILES, st.sampled_from(KINDS), st.sets(st.sampled_from(KINDS)), LIMITS)
def test_it_is_only_ever_stricter(files: Files, kind: str, others: set[str], limits: dict[str, Any]) -> None:
    found = files.narrowed(kind, others, limits)
    assert found["max_minutes"] == limits["max_minutes"]
    for name in ("max_mb", "max_files"):
        if name in limits:
            assert 1 <= found[name] <= limits[name]
    if "max_mb" in limits.get("video", {}):
        assert found["video"]["max_mb"] <= limits["video"]["max_mb"]
    if files.most_film_mb and kind in ("video", "audio"):
        assert found["max_mb"] <= files.most_film_mb
    if files.most_mb and kind not in ("video", "audio"):
        assert found["max_mb"] <= files.most_mb
    assert files.narrowed(kind, others, found) == found


@given(FILES, st.lists(st.sampled_from(["doc", "docx", "mp4", "pdf"]), unique=True), st.booleans())
def test_no_item_is_left_without_a_way(files: Files, accept: list[str], has_other_ways: bool) -> None:
    left = files.taken(accept, has_other_ways=has_other_ways)
    assert set(left) <= set(accept)
    assert left or has_other_ways or not accept
    if left != tuple(accept):
        assert not set(left) & set(files.not_taken)


def test_rules_that_say_nothing_change_nothing() -> None:
    limits = {"max_mb": 50, "video": {"max_mb": 900}}
    assert Files().narrowed("document", ("video",), limits) == limits
    assert Files().taken(["docx", "pdf"], has_other_ways=False) == ("docx", "pdf")


@pytest.mark.parametrize("ending", [".doc", "DOC", "", "a b", "toolongending"])
def test_endings_are_endings(ending: str) -> None:
    with pytest.raises(ValidationError):
        Files(not_taken=(ending,))
