"""A curator changes a draft, thing by thing. Each function gives the whole pack anew (as JSON), checked, with the
numbers that it tells of itself put right; what is not touched stays to the letter.

Raises of all: NotFound for a point or item that is not there, Refused `pack.invalid` where the pack would be none.
"""

import copy
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session

from competencies import languages
from competencies.models import CompetencyFramework, FrameworkVersion
from competencies.pack import NORM_2_0, canonical, content_hash, load_pack
from competencies.pack_schema import EffortDef
from lms_plugin.db import pk
from lms_plugin.errors import Invalid, NotFound, Refused

Content = dict[str, Any]

# What a point says of itself, apart from its evidence, what follows from that, and what it says in further languages.
_NOT_OWN = {"evidence", "effort", "order", "translations"}


def point_of(content: Mapping[str, Any], code: str) -> Content:
    """The point of that code."""
    found = next((one for one in content["points"] if one["code"] == code), None)
    if found is None:
        raise NotFound
    return dict(found)


def item_of(point: Mapping[str, Any], key: str) -> Content:
    """The item of evidence of that key."""
    found = next((one for one in point["evidence"] if one["key"] == key), None)
    if found is None:
        raise NotFound
    return dict(found)


def own_words(point: Mapping[str, Any]) -> Content:
    """What the form of a point shows: everything but its evidence and its place in the order."""
    on_camera = bool(point.get("effort", {}).get("students_on_camera", False))
    return {**{key: one for key, one in point.items() if key not in _NOT_OWN}, "students_on_camera": on_camera}


def head_words(content: Mapping[str, Any]) -> Content:
    """What the form of a framework shows: the official words of its head, without what is counted."""
    head = languages.bare(content["framework"])
    return {key: one for key, one in head.items() if key not in {"counts", "selection_defaults", "languages"}}


def item_words(item: Mapping[str, Any]) -> Content:
    """What the form of an item of evidence shows: its official words."""
    return languages.bare(item)


def may_weigh(content: Mapping[str, Any]) -> bool:
    """Whether the criteria of this framework may have weights: those of the norm of project 2.0 may not."""
    return not str(content["framework"]["id"]).startswith(NORM_2_0)


def is_weighted(content: Mapping[str, Any]) -> bool:
    """Whether weights make the level of an item, where its criteria have some."""
    return bool(content["framework"].get("scoring", {}).get("rule") == "weighted")


def put_point(content: Mapping[str, Any], code: str, words: Mapping[str, Any]) -> Content:
    """Gives a point other words of its own (as `own_words`); its code may change.

    Raises Invalid `framework.point_taken` at "code" for a code that another point has.
    """
    new, point = _anew(content), point_of(content, code)
    if words["code"] != code and any(one["code"] == words["code"] for one in content["points"]):
        raise Invalid({"code": "framework.point_taken"})
    kept = {key: point[key] for key in _NOT_OWN if key in point}
    changed = {**{key: one for key, one in words.items() if key != "students_on_camera"}, **kept}
    if words["students_on_camera"] or "effort" in changed:
        changed["effort"] = {**changed.get("effort", {}), "students_on_camera": words["students_on_camera"]}
    new["points"] = [changed if one["code"] == code else one for one in new["points"]]
    _rename_in_sets(new, code, words["code"])
    return _whole(new)


def add_point(content: Mapping[str, Any], words: Mapping[str, Any], like: str) -> Content:
    """A new point at the end, with the evidence of the point `like` to begin from."""
    new, model = _anew(content), point_of(content, like)
    if any(one["code"] == words["code"] for one in content["points"]):
        raise Invalid({"code": "framework.point_taken"})
    added = {
        **{key: one for key, one in words.items() if key != "students_on_camera"},
        "order": max(one["order"] for one in content["points"]) + 1,
        "effort": {"students_on_camera": words["students_on_camera"]},
        "evidence": copy.deepcopy(model["evidence"]),
    }
    new["points"].append(_with_effort(added))
    return _whole(new)


def drop_point(content: Mapping[str, Any], code: str) -> Content:
    """Takes a point out. Raises Refused `framework.last_point` for the only one."""
    point_of(content, code)
    if len(content["points"]) == 1:
        raise Refused("framework.last_point")
    new = _anew(content)
    new["points"] = [one for one in new["points"] if one["code"] != code]
    _rename_in_sets(new, code, "")
    return _whole(new)


def shift_point(content: Mapping[str, Any], code: str, by: int) -> Content:
    """Moves a point one place up (-1) or down (1) in the order; at the end of the list nothing changes."""
    point_of(content, code)
    new = _anew(content)
    new["points"] = _shifted(sorted(new["points"], key=lambda one: one["order"]), "code", code, by)
    for order, point in enumerate(new["points"], start=1):
        point["order"] = order
    return _whole(new)


def put_item(content: Mapping[str, Any], code: str, item: Mapping[str, Any]) -> Content:
    """Gives a point this item of evidence, in the place of the one with its key (whose translations it keeps) or else
    at the end.

    Raises Invalid `framework.no_core_item` at "core" where nothing would be left by which the point is graded.
    """
    point = point_of(content, code)
    keys = [one["key"] for one in point["evidence"]]
    evidence = [languages.carry(one, item) if one["key"] == item["key"] else one for one in point["evidence"]]
    return _evidence(content, code, evidence if item["key"] in keys else [*evidence, dict(item)])


def drop_item(content: Mapping[str, Any], code: str, key: str) -> Content:
    """Takes an item of evidence out of a point. Raises as `put_item`."""
    point = point_of(content, code)
    item_of(point, key)
    return _evidence(content, code, [one for one in point["evidence"] if one["key"] != key])


def shift_item(content: Mapping[str, Any], code: str, key: str, by: int) -> Content:
    """Moves an item one place up (-1) or down (1)."""
    point = point_of(content, code)
    item_of(point, key)
    return _evidence(content, code, _shifted(point["evidence"], "key", key, by))


def put_head(content: Mapping[str, Any], head: Mapping[str, Any]) -> Content:
    """Gives the framework other words of its own (as `head_words`). Its id stays.

    Where the lowest criterion decides from now on, the weights of criteria go: nothing would count them.

    Raises Invalid at "dimensions" or "environments": `framework.part_in_use` (points) where a point still belongs to
    one that would go, `framework.part_last` where none would be left.
    """
    new = _anew(content)
    old = new["framework"]
    for kind in ("dimension", "environment"):
        known = {one["code"] for one in head[f"{kind}s"]}
        if not known:
            raise Invalid({f"{kind}s": "framework.part_last"})
        lost = [one["code"] for one in content["points"] if one[kind] not in known]
        if lost:
            raise Invalid({f"{kind}s": ("framework.part_in_use", {"points": "、".join(lost)})})
    kept = {key: old[key] for key in ("counts", "selection_defaults", "languages") if key in old}
    new["framework"] = {**languages.carry(old, head), "id": old["id"], **kept}
    if head.get("scoring", {}).get("rule", "minimum") == "minimum":
        for criterion in (
            one for point in new["points"] for item in point["evidence"] for one in item.get("criteria", [])
        ):
            criterion.pop("weight", None)
    return _whole(new)


def of_its_own(content: Mapping[str, Any], framework_id: str, title: Mapping[str, str]) -> Content:
    """The same content as a framework of another name: where an adaptation begins."""
    new = _anew(content)
    head = {key: one for key, one in new["framework"].items() if key not in {"id", "title_zh", "title_en"}}
    for told in head.get("translations", {}).values():
        told.pop("title", None)  # of the name that it had
    new["framework"] = {"id": framework_id, **{f"title_{key}": one for key, one in title.items() if one}, **head}
    return _whole(new)


def keep_draft(session: Session, version: FrameworkVersion, content: Content) -> None:
    """Makes this the content of a draft, with its hash. A point that says something else than before has to be
    confirmed again; the caller holds the row."""
    before = {one["code"]: vouched(one) for one in version.content["points"]}
    after = {one["code"]: vouched(one) for one in content["points"]}
    confirmed = {
        code: word for code, word in version.confirmed_points.items() if code in after and before[code] == after[code]
    }
    version.content, version.content_hash = content, content_hash(load_pack(content))
    version.confirmed_points = confirmed
    session.add(version)
    session.flush()


def begin_draft(
    session: Session,
    framework: CompetencyFramework,
    content: Content,
    number: int,
    confirmed: Mapping[str, Any],
    now: Any,
) -> FrameworkVersion:
    """A draft with this content; points that were confirmed where it comes from, are so here."""
    version = FrameworkVersion(
        tenant_id=framework.tenant_id,
        framework_id=pk(framework),
        number=number,
        content=content,
        content_hash=content_hash(load_pack(content)),
        is_reference=content["framework"]["status"] == "reference",
        confirmed_points=dict(confirmed),
        created_at=now,
    )
    session.add(version)
    session.flush()
    return version


def add_language(content: Mapping[str, Any], typed: str, title: str) -> Content:
    """Lists a further language, with what the framework is called in it: no language is without a text.

    Raises Invalid at "tag" (`framework.bad_language`, `framework.language_official`, `framework.language_taken`,
    `framework.languages_full`) or at "title".
    """
    new, tag = _anew(content), languages.tag_of(typed)
    listed = languages.languages_of(content)
    wrong: dict[str, str | tuple[str, dict[str, Any]]] = {}
    if not tag:
        wrong["tag"] = "framework.bad_language" if typed else "form.required"
    elif languages.is_official(tag):
        wrong["tag"] = "framework.language_official"
    elif tag in listed:
        wrong["tag"] = "framework.language_taken"
    elif len(listed) >= languages.MOST_LANGUAGES:
        wrong["tag"] = ("framework.languages_full", {"most": languages.MOST_LANGUAGES})
    if not title:
        wrong["title"] = "form.required"
    elif len(title) > languages.LINE:
        wrong["title"] = ("form.too_long", {"longest": languages.LINE})
    if wrong:
        raise Invalid(wrong)
    new["framework"]["languages"] = [*listed, tag]
    languages.write(new, tag, "", {"framework:title": title})
    return _whole(new)


def drop_language(content: Mapping[str, Any], tag: str) -> Content:
    """Takes a language out with all its texts. Raises NotFound for one that is not listed."""
    new = _anew(content)
    if tag not in languages.languages_of(content):
        raise NotFound
    new["framework"]["languages"] = [one for one in languages.languages_of(content) if one != tag]
    if not new["framework"]["languages"]:
        del new["framework"]["languages"]
    languages.tidy(new)
    return _whole(new)


def translate(content: Mapping[str, Any], tag: str, code: str, texts: Mapping[str, str]) -> Content:
    """Puts the texts of a language (by `Part.name`, "" = none) into a point, or with code "" into the framework's own
    words. A language goes with its last text. Raises NotFound for one that is not listed, Invalid by name
    `form.too_long`."""
    new = _anew(content)
    if tag not in languages.languages_of(content):
        raise NotFound
    wrong: dict[str, str | tuple[str, dict[str, Any]]] = {
        one.name: ("form.too_long", {"longest": one.longest})
        for one in languages.texts(content, tag, code)
        if len(texts.get(one.name, "")) > one.longest
    }
    if wrong:
        raise Invalid(wrong)
    languages.write(new, tag, code, texts)
    return _whole(new)


def next_key(stem: str, taken: Sequence[str]) -> str:
    """A key that is not taken yet: "item_4"."""
    number = len(taken) + 1
    while f"{stem}_{number}" in taken:
        number += 1
    return f"{stem}_{number}"


def _anew(content: Mapping[str, Any]) -> Content:
    return copy.deepcopy(dict(content))


def vouched(point: Mapping[str, Any]) -> Content:
    """What a curator vouches for: the official words of a point, wherever it stands in the order."""
    bare = {key: one for key, one in point.items() if key not in {"order", "translations"}}
    return {**bare, "evidence": [languages.bare(one) for one in point["evidence"]]}


def _shifted(things: Sequence[Content], by_name: str, name: str, by: int) -> list[Content]:
    places = list(things)
    here = next(place for place, one in enumerate(places) if one[by_name] == name)
    there = min(max(here + by, 0), len(places) - 1)
    places.insert(there, places.pop(here))
    return places


def _evidence(content: Mapping[str, Any], code: str, evidence: list[Content]) -> Content:
    if not any(one["core"] and one["required"] for one in evidence):
        raise Invalid({"core": "framework.no_core_item"})
    new = _anew(content)
    new["points"] = [
        _with_effort({**one, "evidence": evidence}) if one["code"] == code else one for one in new["points"]
    ]
    return _whole(new)


def _with_effort(point: Content) -> Content:
    """What the point costs, as its evidence says; numbers of data ("archetype") are told apart from documents."""
    items, known = point["evidence"], set(EffortDef.model_fields)
    required = [one for one in items if one["required"]]
    kinds = Counter(
        "data" if one["kind"] == "document" and one.get("archetype") == "data" else one["kind"] for one in required
    )
    kinds["optional"] = len(items) - len(required)
    counted = {key: kinds[key] for key in sorted(known - {"students_on_camera"})}
    return {**point, "effort": {**point.get("effort", {}), **counted}}


def _rename_in_sets(content: Content, code: str, to: str) -> None:
    """Suggested sets follow a point that is called otherwise, and go with one that goes (`to` is "")."""
    defaults = content["framework"].get("selection_defaults")
    if not defaults or "suggested_sets" not in defaults:
        return
    sets = [[to if one == code else one for one in chosen] for chosen in defaults["suggested_sets"]]
    defaults["suggested_sets"] = [chosen for chosen in sets if "" not in chosen]


def _whole(content: Content) -> Content:
    """With what the pack counts of itself as it is now; checked, in its one form."""
    languages.tidy(content)
    head, points = content["framework"], content["points"]
    items = [item for point in points for item in point["evidence"]]
    by = {kind: Counter(point[kind] for point in points) for kind in ("environment", "dimension")}
    for environment in head["environments"]:
        if "count" in environment:
            environment["count"] = by["environment"][environment["code"]]
    if head.get("counts"):
        counts = {
            **head["counts"],
            "points": len(points),
            "evidence_items": len(items),
            "graded_items": sum(bool(item["core"]) for item in items),
            "criteria": sum(len(item.get("criteria", [])) for item in items),
        }
        for kind in ("environment", "dimension"):
            if f"by_{kind}" in counts:
                counts[f"by_{kind}"] = {one["code"]: by[kind][one["code"]] for one in head[f"{kind}s"]}
        head["counts"] = counts
    found: Content = json.loads(canonical(load_pack(content)))
    return found
