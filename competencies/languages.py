"""Further languages of a framework: which there are, and every text that can be said in them.

What is official (Chinese, and English where there is some) stands where it always stood. What a thing says in another
language stands in the thing itself, `"translations": {"ug": {"name": …}}`, and the framework lists its `languages`.
So a framework without further languages has the content, and the hash, that it always had.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

OFFICIAL = ("zh", "en")
"""The languages that have places of their own in a pack."""
MOST_LANGUAGES = 16
LONGEST_TAG = 35
"""Characters of a tag, as RFC 5646, 4.4.1 counts the longest that is of use."""
LINE, TEXT = 500, 4000
"""Characters of a text of one line, and of a longer one: in every language the same."""

# BCP 47: language, script, region, variants (RFC 5646, 2.1), without extensions, which texts of people do not need.
_TAG = re.compile(r"[a-z]{2,3}(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*")
_SAME_AS_OFFICIAL = frozenset({"zh", "zh-Hans", "zh-CN", "zh-Hans-CN", "en"})

FIELDS: dict[str, dict[str, int]] = {
    "framework": {"title": LINE, "notice": TEXT},
    "level": {"name": LINE},
    "environment": {"name": LINE},
    "dimension": {"name": LINE},
    "point": {"name": LINE, "question": LINE, "summary": TEXT},
    "evidence": {"title": LINE, "validity": TEXT},
    "check": {"name": TEXT},
    "criterion": {"pass": TEXT, "excellent": TEXT},
}
"""What a thing of each kind says in words, and how long that may be."""

Content = Mapping[str, Any]


class Part(NamedTuple):
    """A thing that says something. `where`: its place in the pack; `point`: code of the point that it belongs to, ""
    for the framework's own; `keys`: what it is called there; `data`: itself."""

    kind: str
    where: str
    point: str
    keys: tuple[str, ...]
    data: dict[str, Any]

    def name(self, field: str) -> str:
        """What a text of it is called among those of its point: "criterion:plan:fit:pass"."""
        return ":".join((self.kind, *self.keys, field))


class Problem(NamedTuple):
    """One fault of the languages of a pack: its place, its code (`pack.…`), and what stood there."""

    where: str
    code: str
    found: str = ""


def tag_of(typed: str) -> str:
    """A language tag as BCP 47 writes it ("UG" → "ug", "mn_mong" → "mn-Mong"); "" for what is none."""
    parts = typed.strip().replace("_", "-").lower().split("-")
    if len(typed) > LONGEST_TAG or not _TAG.fullmatch("-".join(parts)):
        return ""
    cased = [one.title() if len(one) == 4 and one.isalpha() else one.upper() if len(one) == 2 else one for one in parts]
    return "-".join([parts[0], *cased[1:]])


def is_official(tag: str) -> bool:
    """Whether it names Chinese in simplified characters, or English: they have places of their own."""
    return tag in _SAME_AS_OFFICIAL


def languages_of(content: Content) -> tuple[str, ...]:
    """The further languages of a framework, in its order."""
    return tuple(content["framework"].get("languages") or ())


def words(data: Content, stem: str = "") -> dict[str, str]:
    """A text in the languages that a pack has it in: Chinese and English ("{stem}_zh" and "{stem}_en", or "zh" and
    "en"), then what `translations` says."""
    names = {language: f"{stem}_{language}" if stem else language for language in OFFICIAL}
    official = {language: str(data[name]) for language, name in names.items() if data.get(name)}
    return {**official, **_translated(data, stem or "name")} if official else {}


def said(data: Content, field: str) -> dict[str, str]:
    """What a thing says in a field of FIELDS, in every language; empty where it has no official text there."""
    if field in {"pass", "excellent"}:
        inner = data["levels"].get(field)
    elif field == "validity":
        inner = data.get("validity")
    else:
        return words(data, "" if field == "name" and "zh" in data else field)
    official = words(inner or {})
    return {**official, **_translated(data, field)} if official else {}


def _translated(data: Content, field: str) -> dict[str, str]:
    told = data.get("translations") or {}
    return {tag: str(texts[field]) for tag, texts in told.items() if texts and texts.get(field)}


def name_of(content: Content, point: Content) -> dict[str, str]:
    """The name of a point as it is published: with each language of its framework, "" where nobody has written it yet,
    so that whoever reads the point alone knows which languages there are."""
    return {**dict.fromkeys(languages_of(content), ""), **words(point, "name")}


def spoken(item: Content) -> dict[str, Any]:
    """An item of evidence whose criteria, or statement of validity, are told in every language: for its rubric."""
    told = dict(item)
    if told.get("validity"):
        told["validity"] = {**told["validity"], **_translated(item, "validity")}
    if told.get("criteria"):
        told["criteria"] = [
            {
                **one,
                "levels": {
                    level: {**text, **_translated(one, level)} if text else text
                    for level, text in one["levels"].items()
                    if text is None or isinstance(text, Mapping)
                },
            }
            for one in told["criteria"]
        ]
    return told


def parts(content: Content) -> Iterator[Part]:
    """Everything of a pack that says something, in its order."""
    head = content["framework"]
    yield Part("framework", "framework", "", (), head)
    for kind in ("level", "environment", "dimension"):
        for one in head[f"{kind}s"]:
            yield Part(kind, f"framework.{kind}s[{one['code']}]", "", (one["code"],), one)
    for point in content["points"]:
        code = point["code"]
        yield Part("point", f"points[{code}]", code, (), point)
        for item in point["evidence"]:
            place = f"points[{code}].evidence[{item['key']}]"
            yield Part("evidence", place, code, (item["key"],), item)
            for kind, name in (("check", "checks"), ("criterion", "criteria")):
                for one in item.get(name) or ():
                    yield Part(kind, f"{place}.{name}[{one['key']}]", code, (item["key"], one["key"]), one)


_LISTS = {"checks": "key", "criteria": "key", "levels": "code", "environments": "code", "dimensions": "code"}


def carry(before: Content, after: Content) -> dict[str, Any]:
    """A head or an item of evidence (`after`) with what `before` says in further languages, and what the members of
    their lists say by code or key; `after`'s own translations go. So forms of official words never touch the others."""
    told = {key: one for key, one in after.items() if key != "translations"}
    if "translations" in before:
        told["translations"] = before["translations"]
    for name, by in _LISTS.items():
        if isinstance(told.get(name), list):
            known = {one[by]: one for one in before.get(name) or ()}
            told[name] = [carry(known.get(one[by], {}), one) for one in told[name]]
    return told


def bare(whole: Content) -> dict[str, Any]:
    """A head or an item of evidence in its official words alone."""
    return carry({}, whole)


class Text(NamedTuple):
    """A text to be translated. `name`: as `Part.name`; `where`: place of its translation in the pack; `official`: in
    Chinese and English; `told`: what it says in the language, "" for nothing."""

    name: str
    where: str
    kind: str
    field: str
    longest: int
    official: dict[str, str]
    told: str


def texts(content: Content, tag: str, point: str) -> tuple[Text, ...]:
    """The texts of a point, or with "" of the framework itself, beside what they say in a language."""
    found = []
    for part in parts(content):
        for field, longest in FIELDS[part.kind].items() if part.point == point else ():
            text = said(part.data, field)
            if text:
                official = {language: text[language] for language in OFFICIAL if language in text}
                where = f"{part.where}.translations.{tag}.{field}"
                found.append(Text(part.name(field), where, part.kind, field, longest, official, text.get(tag, "")))
    return tuple(found)


def sheet(content: Content, tag: str, point: str) -> dict[str, Any]:
    """What a form of these texts was made from: official words and translation by name."""
    return {one.name: [one.official, one.told] for one in texts(content, tag, point)}


class Count(NamedTuple):
    """How many texts of a part of a framework are written in a language, of how many there are."""

    written: int
    of: int


def counts(content: Content, tag: str) -> dict[str, Count]:
    """By point ("" for the framework's own texts): how many texts are written in a language."""
    found: dict[str, Count] = {}
    for part in parts(content):
        for field in FIELDS[part.kind]:
            text = said(part.data, field)
            if text:
                done, of = found.get(part.point, Count(0, 0))
                found[part.point] = Count(done + (tag in text), of + 1)
    return found


def problems(content: Content) -> Iterator[Problem]:
    """What types cannot say of the languages of a pack: `pack.bad_language`, `pack.language_official`, `pack.twice`,
    `pack.language_unknown` (a text in one that is not listed), `pack.language_empty` (one without a single text),
    `pack.translation_alone` (of a text that is not there)."""
    listed = languages_of(content)
    for at, tag in enumerate(listed):
        where = f"framework.languages[{tag[:60]}]"
        if tag_of(tag) != tag:
            yield Problem(where, "pack.bad_language", tag[:60])
        elif is_official(tag):
            yield Problem(where, "pack.language_official", tag)
        elif tag in listed[:at]:
            yield Problem(where, "pack.twice", tag)
    spoken_in = set()
    for part in parts(content):
        for tag, texts in (part.data.get("translations") or {}).items():
            if tag not in listed:
                yield Problem(f"{part.where}.translations.{tag[:60]}", "pack.language_unknown", tag[:60])
            for field in FIELDS[part.kind]:
                if not (texts or {}).get(field):
                    continue
                spoken_in.add(tag)
                if not said(part.data, field):
                    yield Problem(f"{part.where}.translations.{tag[:60]}.{field}", "pack.translation_alone", tag[:60])
    for tag in dict.fromkeys(listed):
        if tag not in spoken_in and tag_of(tag) == tag and not is_official(tag):
            yield Problem(f"framework.languages[{tag[:60]}]", "pack.language_empty", tag[:60])


# --- changing a draft: these change the content that they are given ---


def write(content: Content, tag: str, point: str, texts: Mapping[str, str]) -> None:
    """Puts texts of a language into the parts of a point ("" for the framework's own), by `Part.name`; "" takes one
    away. Names of nothing, and texts of what has no official text, are left aside."""
    for part in parts(content):
        if part.point != point:
            continue
        for field in FIELDS[part.kind]:
            text = texts.get(part.name(field))
            if text and said(part.data, field):
                part.data.setdefault("translations", {}).setdefault(tag, {})[field] = text
            elif text is not None:
                (part.data.get("translations") or {}).get(tag, {}).pop(field, None)


def tidy(content: Content) -> None:
    """Takes away what says nothing any more: translations of texts that went, languages that are not listed, and of the
    list those whose last text went. Without languages the content is what it was before there were any."""
    head = content["framework"]
    listed = languages_of(content)
    spoken_in = set()
    for part in parts(content):
        told = part.data.get("translations")
        if not told:
            continue
        for tag in list(told):
            texts = told[tag] or {}
            for field in FIELDS[part.kind]:
                if field in texts and not (texts[field] and said(part.data, field)):
                    del texts[field]
            if tag not in listed or not texts:
                del told[tag]
            elif any(field in texts for field in FIELDS[part.kind]):
                spoken_in.add(tag)
        if not told:
            del part.data["translations"]
    left = [tag for tag in listed if tag in spoken_in]
    if len(left) < len(listed):
        head["languages"] = left
    if not left and listed:
        del head["languages"]
