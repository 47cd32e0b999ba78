"""Further languages of a framework: the official words, and the hash of what has none, stay as they were."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from competencies import differences, editing, exchange, head_changes, languages, packs
from competencies.levels import own_words
from competencies.pack import PackProblem, canonical, content_hash, load_pack
from lms_plugin.errors import Invalid, NotFound, Refused
from tests.competencies import packs_made
from tests.competencies.test_exchange import EXAMPLE, NOW

SHIPPED: dict[str, Any] = json.loads(canonical(packs.load("framework_2_0")))
UG = {"framework:title": "ئۆلچەم", "dimension:design:name": "لايىھەلەش"}
A1 = {
    "point:name": "ئەھۋال تەھلىلى",
    "evidence:plan:title": "پىلان",
    "criterion:plan:fit:pass": "ئېنىق",
    "criterion:plan:fit:excellent": "بەك ئېنىق",
}


def least() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(canonical(load_pack(packs_made.least())))
    return found


def spoken() -> dict[str, Any]:
    """The least pack, partly in Uyghur."""
    return editing.translate(editing.add_language(least(), "UG", UG["framework:title"]), "ug", "A1", A1)


def faults(raw: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Refused) as refused:
        load_pack(raw)
    return {one.where: one.code for one in refused.value.params["problems"]}


@pytest.mark.parametrize(
    ("typed", "tag"),
    [
        ("ug", "ug"),
        (" UG ", "ug"),
        ("mn_mong", "mn-Mong"),
        ("KK-ARAB-cn", "kk-Arab-CN"),
        ("zh-hant", "zh-Hant"),
        ("sl-rozaj-biske", "sl-rozaj-biske"),
        ("de-1996", "de-1996"),
        ("es-419", "es-419"),
        ("", ""),
        ("维吾尔语", ""),
        ("uyghur", ""),
        ("u", ""),
        ("ug-", ""),
        ("ug-Arab-Arab", ""),
        ("ug" + "-abcde" * 9, ""),
        ("ｕｇ", ""),
    ],
)
def test_a_tag_is_written_as_bcp_47_writes_it(typed: str, tag: str) -> None:
    assert languages.tag_of(typed) == tag
    assert languages.tag_of(tag) == tag


def test_a_language_that_is_added_and_taken_out_leaves_nothing() -> None:
    for pack in (SHIPPED, least()):
        assert editing.drop_language(editing.add_language(pack, "ug", "ئۆلچەم"), "ug") == pack
    assert editing.drop_language(spoken(), "ug") == least()


def test_a_language_goes_with_its_last_text() -> None:
    pack = editing.translate(spoken(), "ug", "", {"framework:title": ""})
    assert languages.languages_of(pack) == ("ug",)
    assert editing.translate(pack, "ug", "A1", dict.fromkeys(A1, "")) == least()


@pytest.mark.parametrize(
    ("tag", "title", "wrong"),
    [
        ("维语", "x", {"tag": "framework.bad_language"}),
        ("", "x", {"tag": "form.required"}),
        ("zh-CN", "x", {"tag": "framework.language_official"}),
        ("EN", "x", {"tag": "framework.language_official"}),
        ("Ug", "x", {"tag": "framework.language_taken"}),
        ("bo", "", {"title": "form.required"}),
        ("bo", "长" * 501, {"title": ("form.too_long", {"longest": 500})}),
    ],
)
def test_what_cannot_be_added_is_named(tag: str, title: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        editing.add_language(spoken(), tag, title)
    assert refused.value.fields == wrong


def test_sixteen_languages_are_enough() -> None:
    pack = least()
    for number in range(languages.MOST_LANGUAGES):
        pack = editing.add_language(pack, f"q{chr(ord('a') + number)}", "x")
    with pytest.raises(Invalid) as refused:
        editing.add_language(pack, "ug", "x")
    assert refused.value.fields == {"tag": ("framework.languages_full", {"most": 16})}


def test_a_text_that_is_too_long_is_named_by_its_field() -> None:
    with pytest.raises(Invalid) as refused:
        editing.translate(spoken(), "ug", "A1", {"point:name": "x" * 501, "criterion:plan:fit:pass": "x" * 501})
    assert refused.value.fields == {"point:name": ("form.too_long", {"longest": 500})}
    with pytest.raises(NotFound):
        editing.translate(spoken(), "bo", "A1", {"point:name": "x"})


def test_texts_stand_beside_the_official_ones_and_what_is_missing_is_counted() -> None:
    pack = spoken()
    texts = {one.name: one for one in languages.texts(pack, "ug", "A1")}
    assert list(texts) == ["point:name", "point:question", *list(A1)[1:]]
    assert texts["point:name"].official == {"zh": "学情分析"}
    assert texts["point:name"].told == A1["point:name"]
    assert texts["point:question"].told == ""
    assert languages.counts(pack, "ug") == {"": (1, 6), "A1": (4, 5)}
    assert languages.counts(pack, "bo")["A1"] == (0, 5)


def test_official_forms_keep_what_is_said_in_further_languages() -> None:
    pack = spoken()
    point = pack["points"][0]
    words = {**editing.own_words(point), "name_zh": "学情分析（新）"}
    changed = editing.put_point(pack, "A1", words)
    assert changed["points"][0]["translations"] == point["translations"]
    item = editing.item_words(point["evidence"][0])
    assert "translations" not in json.dumps(item)
    assert editing.put_item(pack, "A1", item)["points"][0]["evidence"] == point["evidence"]
    head = editing.head_words(editing.translate(pack, "ug", "", UG))
    assert editing.put_head(editing.translate(pack, "ug", "", UG), head) == editing.translate(pack, "ug", "", UG)


def test_a_framework_of_another_name_keeps_all_but_the_name() -> None:
    pack = editing.of_its_own(editing.translate(spoken(), "ug", "", UG), "local-2", {"zh": "另一份", "en": ""})
    assert languages.words(pack["framework"], "title") == {"zh": "另一份"}
    assert languages.counts(pack, "ug") == {"": (1, 6), "A1": (4, 5)}


def test_a_text_that_goes_takes_its_translation_along() -> None:
    pack = spoken()
    item = copy.deepcopy(editing.item_words(pack["points"][0]["evidence"][0]))
    item["criteria"][0]["levels"]["pass"] = None
    item["criteria"][0]["excellent_only"] = True
    new = editing.put_item(pack, "A1", item)
    assert new["points"][0]["evidence"][0]["criteria"][0]["translations"] == {
        "ug": {"excellent": A1["criterion:plan:fit:excellent"]}
    }


def test_what_changed_in_a_translation_is_told() -> None:
    pack = spoken()
    head = head_changes(least(), pack)
    assert head is not None
    assert [(one.field, one.before, one.after) for one in head.changes] == [
        ("title", {"zh": "本地标准"}, {"zh": "本地标准", "ug": "ئۆلچەم"}),
        ("languages", None, ["ug"]),
    ]
    (point,) = differences(least(), pack)
    assert [one.field for one in point.changes] == ["name"]
    (item,) = point.parts
    assert [(one.field, one.after) for one in item.changes] == [("title", {"zh": "方案", "ug": "پىلان"})]
    (criterion,) = item.parts
    assert [one.field for one in criterion.changes] == ["pass", "excellent"]
    assert not any(one.has_more for one in (head, point, item, criterion))


def test_levels_in_further_languages_need_words_of_their_own() -> None:
    levels = copy.deepcopy(least()["framework"]["levels"])
    levels[0]["translations"] = {"ug": {"name": "ئەلا"}}
    assert own_words(levels) is None
    levels[0]["zh"] = "示范"
    assert own_words(levels) == {
        "excellent": {"zh": "示范", "ug": "ئەلا"},
        "pass": {"zh": "合格"},
        "fail": {"zh": "不合格"},
    }


def test_what_a_rubric_is_told() -> None:
    item = languages.spoken(spoken()["points"][0]["evidence"][0])
    assert item["criteria"][0]["levels"] == {
        "pass": {"zh": "写得清楚", "ug": "ئېنىق"},
        "excellent": {"zh": "可直接照做", "ug": "بەك ئېنىق"},
    }
    plain = least()["points"][0]["evidence"][0]
    assert languages.spoken(plain) == plain


# --- files ---


def test_a_package_of_others_brings_items_that_translate_its_own() -> None:
    """CASE 1.1: an item in another language says by isTranslationOf what it is a translation of."""
    package = copy.deepcopy(EXAMPLE)
    by_code = {one.get("humanCodingScheme"): one for one in package["CFItems"]}
    point = by_code["A1"]
    item = next(one for one in package["CFItems"] if str(one.get("humanCodingScheme", "")).startswith("A1-"))
    group = next(one for one in package["CFItems"] if one["CFItemType"] == "environment")
    for number, (one, text) in enumerate(((point, "ئەھۋال تەھلىلى"), (item, "پىلان"), (group, "كۆپ ۋاسىتە"))):
        add_translation(package, one, f"ug-{number}", "ug", text)
    add_translation(package, point, "en-1", "en", "Learner analysis")
    pack = json.loads(canonical(exchange.read_case(package)))
    assert languages.languages_of(pack) == ("ug",)
    (first, *_rest) = pack["points"]
    assert first["translations"] == {"ug": {"name": "ئەھۋال تەھلىلى", "question": "ئەھۋال تەھلىلى"}}
    assert first["evidence"][0]["translations"] == {"ug": {"title": "پىلان"}}
    assert pack["framework"]["environments"][0]["translations"] == {"ug": {"name": "كۆپ ۋاسىتە"}}
    assert len(pack["points"]) == 30
    loaded = load_pack(pack)
    again = json.loads(exchange.case_json(loaded, "平安县", NOW, is_draft=False))
    assert content_hash(exchange.read_case(again)) == content_hash(loaded)


def test_a_language_that_is_none_is_named_at_its_item() -> None:
    package = copy.deepcopy(EXAMPLE)
    add_translation(package, package["CFItems"][8], "odd", "Uyghur language", "x")
    with pytest.raises(Refused) as refused:
        exchange.read_case(package)
    where = f"CFItems[{len(package['CFItems']) - 1}].language"
    assert {one.where: one.code for one in refused.value.params["problems"]} == {where: "pack.bad_language"}


def add_translation(package: dict[str, Any], of: dict[str, Any], name: str, language: str, text: str) -> None:
    link = {"title": text, "identifier": name, "uri": f"urn:{name}"}
    package["CFItems"].append({**of, **link, "language": language, "fullStatement": text, "alternativeLabel": ""})
    for key in ("title", "abbreviatedStatement", "humanCodingScheme", "notes"):
        package["CFItems"][-1].pop(key, None)
    package["CFAssociations"].append(
        {
            "identifier": f"is-{name}",
            "uri": f"urn:is-{name}",
            "associationType": "isTranslationOf",
            "originNodeURI": link,
            "destinationNodeURI": {"title": "", "identifier": of["identifier"], "uri": of["uri"]},
            "lastChangeDateTime": "2026-11-22T00:00:00Z",
        }
    )


@pytest.mark.parametrize(
    ("change", "where", "code"),
    [
        (lambda p: p["framework"].update(languages=["UG"]), "framework.languages[UG]", "pack.bad_language"),
        (lambda p: p["framework"].update(languages=["维语"]), "framework.languages[维语]", "pack.bad_language"),
        (lambda p: p["framework"].update(languages=["ug", "zh"]), "framework.languages[zh]", "pack.language_official"),
        (lambda p: p["framework"].update(languages=["ug", "ug"]), "framework.languages[ug]", "pack.twice"),
        (lambda p: p["framework"].update(languages=["ug", "bo"]), "framework.languages[bo]", "pack.language_empty"),
        (lambda p: p["framework"].update(languages=3), "framework.languages", "pack.wrong_type"),
        (lambda p: p["framework"].update(languages=["x"] * 17), "framework.languages", "pack.too_many"),
        (lambda p: p["framework"].pop("languages"), "points[A1].translations.ug", "pack.language_unknown"),
        (
            lambda p: p["points"][0]["translations"]["ug"].update(summary="x"),
            "points[A1].translations.ug.summary",
            "pack.translation_alone",
        ),
        (
            lambda p: p["points"][0]["translations"]["ug"].update(name="长" * 501),
            "points[A1].translations.ug.name",
            "pack.text_too_long",
        ),
        (
            lambda p: p["points"][0]["evidence"][0]["translations"]["ug"].update(title=""),
            "points[A1].evidence[plan].translations.ug.title",
            "pack.empty",
        ),
        (lambda p: p["points"][0].update(translations=[]), "points[A1].translations", "pack.wrong_type"),
        (
            lambda p: p["points"][0]["translations"]["ug"].update(name="\u202eevil"),
            "points[A1].translations.ug.name",
            "pack.hostile_character",
        ),
    ],
)
def test_a_fault_of_a_language_has_its_place(change: Any, where: str, code: str) -> None:
    raw = spoken()
    change(raw)
    assert faults(raw)[where] == code


def table(pack: dict[str, Any]) -> list[list[Any]]:
    loaded = load_pack(pack)
    return [exchange.heads(loaded), *exchange.rows(loaded)]


def test_a_language_has_columns_of_its_own() -> None:
    rows = table(spoken())
    at = rows[0].index("名称 (ug) name (ug)")
    assert [row[at] for row in rows[1:] if row[at]] == ["ئۆلچەم", "ئەھۋال تەھلىلى", "پىلان"]
    assert not any("translations" in cell for row in rows for cell in row)
    assert "名称 (ug) name (ug)" not in table(least())[0]


@pytest.mark.parametrize("head", ["名称 (bo)", "名称（BO）", "name (bo)", "名称 name (Bo)", "名称(bo) name(bo)"])
def test_a_column_that_somebody_adds_is_a_language(head: str) -> None:
    rows = table(spoken())
    texts = {"标准": "ཚད་གཞི", "材料": "འཆར་གཞི"}
    grown = [[*rows[0], head], *([*row, texts.get(row[0], "")] for row in rows[1:])]
    pack = exchange.read_table(grown)
    again = json.loads(canonical(pack))
    assert languages.languages_of(again) == ("ug", "bo")
    assert languages.words(again["framework"], "title")["bo"] == "ཚད་གཞི"
    assert again["points"][0]["evidence"][0]["translations"]["bo"] == {"title": "འཆར་གཞི"}


def table_faults(head: str, cells: dict[str, Any]) -> list[PackProblem]:
    rows = [["", "页眉"], *table(spoken())]
    grown = [rows[0], [*rows[1], head], *([*row, cells.get(row[0], "")] for row in rows[2:])]
    with pytest.raises(Refused) as refused:
        exchange.read_table(grown)
    return list(refused.value.params["problems"])


@pytest.mark.parametrize(
    ("head", "cells", "row", "code"),
    [
        ("名称 (维吾尔语)", {"标准": "x"}, 2, "pack.bad_language"),
        ("名称 (zh)", {"标准": "x"}, 2, "pack.language_official"),
        ("名称 (bo)", {}, 2, "pack.language_empty"),
        ("说明 (bo)", {"能力点": "x"}, 10, "pack.translation_alone"),
        ("名称 (bo)", {"能力点": "x" * 501}, 10, "pack.text_too_long"),
        ("名称 (bo)", {"能力点": "=1+1"}, 10, "pack.cell_formula"),
        ("名称 (bo)", {"能力点": 1.5}, 10, "pack.cell_number"),
    ],
)
def test_a_fault_of_a_table_has_its_row_and_column(head: str, cells: dict[str, Any], row: int, code: str) -> None:
    column = exchange.table_in.letter(len(table(spoken())[0]))
    assert (row, column, code) in [(one.row, one.column, one.code) for one in table_faults(head, cells)]


def test_a_language_that_has_two_columns_of_one_sort_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        exchange.read_table([[*row, ""] if at else [*row, "name (UG)"] for at, row in enumerate(table(spoken()))])
    assert refused.value.code == "pack.column_twice"


@settings(max_examples=25)
@given(st.data())
def test_translating_never_touches_what_is_official(data: st.DataObject) -> None:
    pack = spoken()
    for _turn in range(data.draw(st.integers(1, 3))):
        tag, point = data.draw(st.sampled_from(["ug", "bo"])), data.draw(st.sampled_from(["", "A1"]))
        if tag not in languages.languages_of(pack):
            pack = editing.add_language(pack, tag, "x")
        names = [one.name for one in languages.texts(pack, tag, point)]
        texts = data.draw(st.dictionaries(st.sampled_from(names), st.sampled_from(["", "سالام", "x y"])))
        pack = editing.translate(pack, tag, point, texts)
        if tag in languages.languages_of(pack):
            told = {one.name: one.told for one in languages.texts(pack, tag, point)}
            assert {name: told[name] for name in texts} == texts
    assert [editing.vouched(one) for one in pack["points"]] == [editing.vouched(one) for one in least()["points"]]
    assert all(
        any(part.written for part in languages.counts(pack, one).values()) for one in languages.languages_of(pack)
    )
    for tag in languages.languages_of(pack):
        pack = editing.drop_language(pack, tag)
    assert pack == least()
