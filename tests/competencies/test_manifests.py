"""The list of what was handed in: its hash sees every change, and outlives the names in it."""

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from competencies import manifests

TEXT = st.text(max_size=20)
PIECE = st.one_of(
    st.fixed_dictionaries({"kind": st.just("file"), "sha256": TEXT, "name": TEXT, "size_bytes": st.integers(0, 9)}),
    st.fixed_dictionaries({"kind": st.just("link"), "sha256": TEXT, "url": TEXT}),
    st.fixed_dictionaries({"kind": st.just("text"), "sha256": TEXT, "characters": st.integers(0, 9)}),
)
ITEM = st.fixed_dictionaries({"requirement": TEXT, "pieces": st.lists(PIECE, max_size=3)})
LISTED = st.fixed_dictionaries({"number": st.integers(1, 3), "items": st.lists(ITEM, max_size=3)})


def named(manifest: dict[str, Any]) -> list[str]:
    return [
        piece[name]
        for item in manifest["items"]
        for piece in item["pieces"]
        for name in manifests.NAMES
        if name in piece
    ]


@given(LISTED)
def test_names_go_and_the_hash_holds(listed: dict[str, Any]) -> None:
    made = manifests.seal_names(listed)
    told = manifests.hash_of(made)
    bare = manifests.without_names(made)
    assert named(bare) == []
    assert "salt" not in repr(bare["items"]) or "salt" in repr([i["requirement"] for i in bare["items"]])
    assert manifests.holds(made, told)
    assert manifests.holds(bare, told)
    assert manifests.without_names(bare) == bare


@given(LISTED, st.data())
def test_the_hash_sees_every_change(listed: dict[str, Any], data: st.DataObject) -> None:
    made = manifests.seal_names(listed)
    told = manifests.hash_of(made)
    where = [(i, p) for i, item in enumerate(listed["items"]) for p in range(len(item["pieces"]))]
    assume(where)
    item, piece = data.draw(st.sampled_from(where))
    held = made["items"][item]["pieces"][piece]
    key = data.draw(st.sampled_from(sorted(held)))
    held[key] = f"{held[key]}x"
    assert manifests.holds(made, told) is False


@given(LISTED)
def test_an_old_list_says_that_it_cannot_be_told_any_more(listed: dict[str, Any]) -> None:
    told = manifests.hash_of(listed)
    assert manifests.holds(listed, told)
    bare = manifests.without_names(listed)
    assert named(bare) == []
    assert manifests.holds(bare, told) is (None if named(listed) else True)
