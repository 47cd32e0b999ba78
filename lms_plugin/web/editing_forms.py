"""The forms of a draft: what they show, what was typed, and the part of the pack that it makes.

A form is a dict of texts and ticks by field name. Lists are rows with a key each: "c" names the keys of the criteria,
"c.KEY.pass_zh" is a field of one.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

import competencies
from competencies import PackProblem
from lms_plugin import media
from lms_plugin.errors import Invalid
from lms_plugin.web.formats import gettext as _

Values = dict[str, Any]
Wrong = dict[str, str | tuple[str, dict[str, Any]]]

LINE, TEXT = 500, 4000
KINDS = ("document", "text", "image", "video", "audio", "link")
USUAL = {
    "document": ["docx", "doc", "pdf", "wps"],
    "image": ["jpg", "jpeg", "png", "heic"],
    "video": ["mp4", "mov", "m4v", "3gp", "webm"],
    "audio": ["mp3", "m4a", "aac", "amr", "wav"],
}
"""The endings of a kind of evidence where the curator names none."""
NUMBERS = {
    "max_mb": (1, 2048),
    "max_minutes": (0.5, 600),
    "minutes_tolerance": (0, 60),
    "max_images": (1, 100),
    "max_files": (1, 100),
    "min_students": (1, 100),
}
_WHOLE = {"max_images", "max_files", "min_students"}
_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,31}")
_BOTH = ("zh", "en")
RULES = ("minimum", "weighted")
MOST_WEIGHT = 100
CRITERION = ("pass_zh", "pass_en", "excellent_zh", "excellent_en", "source")


# --- a point ---


def point_values(words: Mapping[str, Any]) -> Values:
    """A point's own words (`editing.own_words`) as its form shows them."""
    names = [f"{stem}_{language}" for stem in ("name", "question", "summary") for language in _BOTH]
    return {
        **{name: str(words.get(name) or "") for name in ("code", *names, "environment", "dimension")},
        "students_on_camera": bool(words.get("students_on_camera")),
    }


def point_typed(form: Mapping[str, str]) -> Values:
    """What was typed into the form of a point."""
    names = [name for name in point_values({}) if name != "students_on_camera"]
    typed = {name: text_of(form.get(name)) for name in (*names, "like")}
    typed["code"] = unicodedata.normalize("NFKC", typed["code"])
    return {**typed, "students_on_camera": form.get("students_on_camera") == "1"}


def parse_point(values: Values, base: Mapping[str, Any], head: Mapping[str, Any]) -> dict[str, Any]:
    """The point's own words as typed; of `base` what the form does not show. Raises Invalid by field."""
    wrong: Wrong = {}
    words = dict(base)
    if not _CODE.fullmatch(values["code"]):
        wrong["code"] = "framework.bad_code" if values["code"] else "form.required"
    for stem, longest, needed in (("name", LINE, True), ("question", LINE, True), ("summary", TEXT, False)):
        _put_words(words, values, stem, stem, longest, wrong, needed=needed)
    for kind in ("environment", "dimension"):
        if values[kind] not in {one["code"] for one in head[f"{kind}s"]}:
            wrong[kind] = "form.choose"
        words[kind] = values[kind]
    if wrong:
        raise Invalid(wrong)
    return {**words, "code": values["code"], "students_on_camera": values["students_on_camera"]}


# --- an item of evidence ---


def item_values(item: Mapping[str, Any]) -> Values:
    """An item of evidence as its form shows it, one row for each check and criterion."""
    limits, validity = item.get("limits", {}), item.get("validity") or {}
    values: Values = {
        **{name: str(item.get(name) or "") for name in ("key", "title_zh", "title_en", "kind", "source")},
        **{f"alt_{kind}": kind in item.get("alt_kinds", []) for kind in KINDS},
        "accept": " ".join(item.get("accept", [])),
        **{name: bool(item.get(name)) for name in ("required", "core", "proposed")},
        **{name: "" if limits.get(name) is None else f"{limits[name]:g}" for name in NUMBERS},
        **{f"validity_{language}": str(validity.get(language) or "") for language in _BOTH},
        "k": [one["key"] for one in item.get("checks", [])],
        "c": [one["key"] for one in item.get("criteria", [])],
    }
    for one in item.get("checks", []):
        values |= {f"k.{one['key']}.{language}": str(one.get(language) or "") for language in _BOTH}
    for one in item.get("criteria", []):
        for level in ("pass", "excellent"):
            told = one["levels"].get(level) or {}
            values |= {f"c.{one['key']}.{level}_{language}": str(told.get(language) or "") for language in _BOTH}
        values |= {f"c.{one['key']}.source": str(one.get("source") or ""), f"c.{one['key']}.proposed": one["proposed"]}
        values[f"c.{one['key']}.weight"] = str(one.get("weight") or "")
    return values


def item_first(point: Mapping[str, Any]) -> Values:
    """The form of a new item."""
    values = item_values(
        {"kind": "document", "required": True, "core": True, "proposed": True, "limits": {"max_mb": 50}}
    )
    return {**values, "key": competencies.editing.next_key("item", [one["key"] for one in point["evidence"]])}


def with_blanks(values: Values) -> Values:
    """The same form with an empty row for a new criterion, and one for a check."""
    new = dict(values)
    for letter, stem, fields in (("c", "criterion", CRITERION), ("k", "check", _BOTH)):
        key = competencies.editing.next_key(stem, new[letter])
        new |= {letter: [*new[letter], key], **{f"{letter}.{key}.{name}": "" for name in fields}}
    return {
        **new,
        f"c.{new['c'][-1]}.proposed": True,
        f"c.{new['c'][-1]}.weight": "",
        "blank": [new["c"][-1], new["k"][-1]],
    }


def item_typed(form: "MultiDict[str, str]") -> Values:
    """What was typed into the form of an item. Rows without any text are left out."""
    names = ("key", "title_zh", "title_en", "kind", "source", "accept", "validity_zh", "validity_en", *NUMBERS)
    values: Values = {name: text_of(form.get(name)) for name in names}
    values |= {f"alt_{kind}": form.get(f"alt_{kind}") == "1" for kind in KINDS}
    values |= {name: form.get(name) == "1" for name in ("required", "core", "proposed")}
    values["blank"] = form.getlist("blank")[:10]
    for letter, fields in (("k", _BOTH), ("c", CRITERION)):
        keys = [key for key in dict.fromkeys(form.getlist(letter)[:100]) if _KEY.fullmatch(key)]
        rows = {key: {name: text_of(form.get(f"{letter}.{key}.{name}")) for name in fields} for key in keys}
        values[letter] = [key for key, row in rows.items() if any(row[name] for name in row if name != "source")]
        for key in values[letter]:
            values |= {f"{letter}.{key}.{name}": text for name, text in rows[key].items()}
            if letter == "c":
                values[f"c.{key}.proposed"] = form.get(f"c.{key}.proposed") == "1"
                values[f"c.{key}.weight"] = unicodedata.normalize("NFKC", text_of(form.get(f"c.{key}.weight")))
    return values


def parse_item(values: Values, base: Mapping[str, Any]) -> dict[str, Any]:
    """The item as typed; of `base` what the form does not show. Raises Invalid by field."""
    wrong: Wrong = {}
    item = {"key": values["key"], **base, **{name: values[name] for name in ("required", "core", "proposed")}}
    _put_words(item, values, "title", "title", LINE, wrong, needed=True)
    if values["kind"] not in KINDS:
        wrong["kind"] = "form.choose"
    item["kind"] = values["kind"]
    alternatives = [kind for kind in base.get("alt_kinds", []) if kind in KINDS and values[f"alt_{kind}"]]
    alternatives += [kind for kind in KINDS if values[f"alt_{kind}"] and kind not in alternatives]
    alternatives = [kind for kind in alternatives if kind != values["kind"]]
    _put_list(item, "alt_kinds", alternatives)
    item["accept"] = _endings(values["accept"], [values["kind"], *alternatives], wrong)
    item["limits"] = _limits(values, base.get("limits", {}), wrong)
    if not values["source"]:
        wrong["source"] = "framework.source_needed"
    elif len(values["source"]) > TEXT:
        wrong["source"] = ("form.too_long", {"longest": TEXT})
    item["source"] = values["source"]
    _put_list(item, "checks", [_check(values, key, base, wrong) for key in values["k"]])
    item.pop("validity", None)
    if values["core"]:
        if not values["c"]:
            wrong["c"] = "framework.criteria_needed"
        item["criteria"] = [_criterion(values, key, base, wrong) for key in values["c"]]
        if len({"weight" in one for one in item["criteria"]}) > 1:
            wrong |= {
                f"c.{one['key']}.weight": "framework.weight_missing" for one in item["criteria"] if "weight" not in one
            }
    else:
        _put_list(item, "criteria", [])
        told: dict[str, Any] = {}
        _put_words(told, values, "validity", "validity", TEXT, wrong, needed=True)
        item["validity"] = {key.removeprefix("validity_"): text for key, text in told.items()}
    if wrong:
        raise Invalid(wrong)
    return item


def _endings(typed: str, kinds: Iterable[str], wrong: Wrong) -> list[str]:
    found = [one.lstrip(".") for one in re.split(r"[\s,，、;；]+", typed.lower()) if one.strip(".")]
    if not found:
        return [ending for kind in kinds for ending in USUAL.get(kind, [])]
    unknown = [one for one in found if one not in media.endings()]
    if unknown:
        wrong["accept"] = ("framework.ending_unknown", {"endings": "、".join(one[:12] for one in unknown[:10])})
    return list(dict.fromkeys(found))


def _limits(values: Values, base: Mapping[str, Any], wrong: Wrong) -> dict[str, Any]:
    limits = dict(base)
    for name, (least, most) in NUMBERS.items():
        typed = unicodedata.normalize("NFKC", values[name])
        if not typed and name != "max_mb":
            limits.pop(name, None)
            continue
        fits = re.fullmatch(r"\d{1,6}" if name in _WHOLE else r"\d{1,6}(\.\d{1,3})?", typed)
        number = float(typed) if fits else -1.0
        if not least <= number <= most:
            wrong[name] = ("form.number", {"least": f"{least:g}", "most": f"{most:g}"})
        limits[name] = int(number) if number.is_integer() else number
    return limits


def _check(values: Values, key: str, base: Mapping[str, Any], wrong: Wrong) -> dict[str, Any]:
    known: Mapping[str, Any] = next((one for one in base.get("checks", []) if one["key"] == key), {})
    told: dict[str, Any] = {}
    _put_words(told, values, f"k.{key}", "text", TEXT, wrong, needed=True, joint=".")
    words = {name.removeprefix("text_"): text for name, text in told.items()}
    return {**{name: one for name, one in known.items() if name not in _BOTH}, "key": key, **words}


def _criterion(values: Values, key: str, base: Mapping[str, Any], wrong: Wrong) -> dict[str, Any]:
    known = dict(next((one for one in base.get("criteria", []) if one["key"] == key), {}))
    levels: dict[str, Any] = dict(known.get("levels", {}))
    for level, needed in (("pass", False), ("excellent", True)):
        told: dict[str, Any] = {}
        _put_words(told, values, f"c.{key}.{level}", "text", TEXT, wrong, needed=needed)
        levels[level] = {name.removeprefix("text_"): text for name, text in told.items()} or None
    known |= {"key": key, "levels": levels, "proposed": values[f"c.{key}.proposed"]}
    known.pop("source", None)
    if values[f"c.{key}.source"]:
        known["source"] = values[f"c.{key}.source"]
        if len(known["source"]) > TEXT:
            wrong[f"c.{key}.source"] = ("form.too_long", {"longest": TEXT})
    known.pop("weight", None)
    if typed := values.get(f"c.{key}.weight", ""):
        if not re.fullmatch(r"\d{1,3}", typed) or not 1 <= int(typed) <= MOST_WEIGHT:
            wrong[f"c.{key}.weight"] = ("form.number", {"least": "1", "most": str(MOST_WEIGHT)})
        known["weight"] = int(typed) if typed.isdecimal() else typed
    if levels["pass"] is None or "excellent_only" in known:
        known["excellent_only"] = levels["pass"] is None
    return known


# --- the framework itself ---


def head_values(head: Mapping[str, Any]) -> Values:
    """The framework's own words as its form shows them."""
    values: Values = {
        f"{stem}_{language}": str(head.get(f"{stem}_{language}") or "")
        for stem in ("title", "notice")
        for language in _BOTH
    }
    values["rule"] = head.get("scoring", {}).get("rule", RULES[0])
    for letter, name in (("e", "environments"), ("d", "dimensions"), ("l", "levels")):
        values[letter] = [one["code"] for one in head[name]]
        for one in head[name]:
            values |= {f"{letter}.{one['code']}.{language}": str(one.get(language) or "") for language in _BOTH}
    return values


def rule_word(rule: str) -> str:
    """How the criteria of an item make its level."""
    return _("各条标准按权重合起来") if rule == "weighted" else _("取各条标准里最低的")


def head_blanks(values: Values) -> Values:
    """The same form with an empty row for a new dimension."""
    key = competencies.editing.next_key("dimension", values["d"])
    return {**values, "d": [*values["d"], key], f"d.{key}.zh": "", f"d.{key}.en": "", "blank": [key]}


def head_typed(form: "MultiDict[str, str]") -> Values:
    """What was typed into the form of a framework."""
    values: Values = {
        name: text_of(form.get(name)) for name in ("title_zh", "title_en", "notice_zh", "notice_en", "rule")
    }
    values["blank"] = form.getlist("blank")[:10]
    for letter in "edl":
        keys = [key for key in dict.fromkeys(form.getlist(letter)[:100]) if _KEY.fullmatch(key)]
        rows = {key: [text_of(form.get(f"{letter}.{key}.{language}")) for language in _BOTH] for key in keys}
        values[letter] = [key for key, row in rows.items() if any(row) or letter == "l"]
        for key in values[letter]:
            values |= {f"{letter}.{key}.{language}": text for language, text in zip(_BOTH, rows[key], strict=True)}
    return values


def parse_head(values: Values, base: Mapping[str, Any]) -> dict[str, Any]:
    """The framework's own words as typed; of `base` what the form does not show. Raises Invalid by field."""
    wrong: Wrong = {}
    head = dict(base)
    _put_words(head, values, "title", "title", LINE, wrong, needed=True)
    _put_words(head, values, "notice", "notice", TEXT, wrong, needed=False)
    stood = base.get("scoring", {})
    rule = values["rule"] or stood.get("rule", RULES[0])  # 2.0's form does not ask
    if rule not in RULES:
        wrong["rule"] = "form.choose"
    elif rule != stood.get("rule", RULES[0]):
        head["scoring"] = {**stood, "rule": rule}
    for letter, name in (("e", "environments"), ("d", "dimensions"), ("l", "levels")):
        known = {one["code"]: one for one in base[name]}
        keys = [one["code"] for one in base[name]] if letter == "l" else values[letter]
        head[name] = []
        for key in keys:
            if letter == "e" and key not in known:
                continue  # what schools declare is one of the three that there are
            told: dict[str, Any] = {}
            _put_words(told, values, f"{letter}.{key}", "text", LINE, wrong, needed=True, joint=".")
            rest = {part: one for part, one in known.get(key, {}).items() if part not in _BOTH}
            words = {part.removeprefix("text_"): text for part, text in told.items()}
            head[name].append({"code": key, **rest, **words})
    called = [values[f"l.{key}.zh"] for key in values["l"]]
    for key, word in zip(values["l"], called, strict=True):
        if word and called.count(word) > 1:
            wrong[f"l.{key}.zh"] = "framework.level_twice"
    if wrong:
        raise Invalid(wrong)
    return head


# --- all of them ---


def differing(typed: Values, stands: Values) -> dict[str, str]:
    """What stands now, in words, for each field that was typed otherwise; "" for what is not there any more."""
    found = {}
    for name in {**typed, **stands}:
        if name in {"c", "k", "e", "d", "l", "key", "like", "blank"}:
            continue
        mine, now = typed.get(name, ""), stands.get(name, "")
        if name == "rule":
            if mine not in ("", now):
                found[name] = rule_word(now)
        elif mine != now:
            found[name] = (_("勾上了") if now else _("没有勾")) if isinstance(mine or now, bool) else str(now)
    return found


def rows_apart(typed: Values, stands: Values) -> Values:
    """What was typed, with keys of its own for new rows whose keys somebody else's new rows have by now."""
    apart = dict(typed)
    for letter in sorted(set("ckd") & set(typed)):
        for key in [one for one in typed[letter] if one in typed.get("blank", []) and one in stands[letter]]:
            own = competencies.editing.next_key(key.rpartition("_")[0], [*apart[letter], *stands[letter]])
            apart[letter] = [own if one == key else one for one in apart[letter]]
            for name in [one for one in apart if one.startswith(f"{letter}.{key}.")]:
                apart[f"{letter}.{own}.{name.rpartition('.')[2]}"] = apart.pop(name)
    return apart


def with_rows_of(typed: Values, stands: Values) -> Values:
    """What was typed, and the rows that somebody else has added meanwhile."""
    merged = dict(typed)
    for letter in sorted(set("ckedl") & set(typed)):
        added = [key for key in stands.get(letter, []) if key not in typed[letter]]
        merged[letter] = [*typed[letter], *added]
        for name, value in stands.items():
            if any(name.startswith(f"{letter}.{key}.") for key in added):
                merged[name] = value
    return merged


def field_of(problem: PackProblem) -> str:
    """The field of a form beside which a fault of the pack is told; "" where it has none."""
    place = re.sub(r"^points\[[^]]*\]\.(evidence\[[^]]*\]\.)?|^framework\.", "", problem.where)
    row = re.fullmatch(r"criteria\[([^]]+)\](?:\.levels\.(pass|excellent)\.(zh|en)|\.source)?", place)
    if row is not None:
        return f"c.{row[1]}.{row[2]}_{row[3]}" if row[2] else f"c.{row[1]}.source"
    row = re.fullmatch(r"(checks|environments|dimensions|levels)\[([^]]+)\]\.(zh|en)", place)
    if row is not None:
        return f"{ {'checks': 'k'}.get(row[1], row[1][0]) }.{row[2]}.{row[3]}"
    place = place.removeprefix("limits.").replace("validity.", "validity_")
    if place == "scoring.rule":
        return "rule"
    return {"criteria": "c", "accept": "accept"}.get(place.partition("[")[0], place)


def text_of(value: Any) -> str:
    """A text as browsers send it: their line ends, and blanks around it, are no part of it."""
    return str(value or "").replace("\r\n", "\n").replace("\r", "\n").strip()[: TEXT + 1]


def _put_words(
    into: dict[str, Any],
    values: Values,
    field: str,
    stem: str,
    longest: int,
    wrong: Wrong,
    *,
    needed: bool,
    joint: str = "_",
) -> None:
    """Puts a text in both languages under `stem`; English may be missing, Chinese only where there is neither."""
    zh, en = values.get(f"{field}{joint}zh", ""), values.get(f"{field}{joint}en", "")
    if not zh and (needed or en):
        wrong[f"{field}{joint}zh"] = "form.required" if needed else "framework.chinese_needed"
    for language, text in (("zh", zh), ("en", en)):
        if len(text) > longest:
            wrong[f"{field}{joint}{language}"] = ("form.too_long", {"longest": longest})
        if text:
            into[f"{stem}_{language}"] = text
        else:
            into.pop(f"{stem}_{language}", None)


def _put_list(into: dict[str, Any], name: str, members: list[Any]) -> None:
    """Puts a list there; an empty one only where one stood before."""
    if members or name in into:
        into[name] = members
