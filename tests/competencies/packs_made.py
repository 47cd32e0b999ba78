"""Packs for tests: the least that is one, and many that hypothesis makes up."""

from typing import Any

import hypothesis.strategies as st

from competencies import languages


def least() -> dict[str, Any]:
    """A pack with one point and nothing that may be left out: no English, no summary, no effort."""
    return {
        "schema": "competency-pack/0.2",
        "framework": {
            "id": "local-1",
            "title_zh": "本地标准",
            "status": "official",
            "levels": [
                {"code": "excellent", "zh": "优秀", "rank": 2},
                {"code": "pass", "zh": "合格", "rank": 1},
                {"code": "fail", "zh": "不合格", "rank": 0},
            ],
            "environments": [{"code": "multimedia", "zh": "多媒体教学环境"}],
            "dimensions": [{"code": "design", "zh": "教学设计"}],
        },
        "points": [point("A1", 1)],
    }


def point(code: str, order: int) -> dict[str, Any]:
    return {
        "code": code,
        "order": order,
        "name_zh": "学情分析",
        "question_zh": "学生会什么",
        "environment": "multimedia",
        "dimension": "design",
        "evidence": [
            {
                "key": "plan",
                "title_zh": "方案",
                "kind": "document",
                "accept": ["docx"],
                "required": True,
                "core": True,
                "limits": {"max_mb": 50},
                "proposed": True,
                "source": "本地文件",
                "criteria": [
                    {
                        "key": "fit",
                        "levels": {"pass": {"zh": "写得清楚"}, "excellent": {"zh": "可直接照做"}},
                        "proposed": True,
                    }
                ],
            }
        ],
    }


# Every sort of character that a pack may hold, those that cells and formulas stumble over among them.
_CHARACTERS = st.sampled_from("甲é\u0301a1 .,;\"'=+-@#_x\n\t\u3000\u00a0\u200b{}…😀|") | st.characters(
    exclude_categories=("Cs", "Cc"), exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
_TEXT = st.text(_CHARACTERS, min_size=1, max_size=12) | st.sampled_from(
    ["=1+1", "@x", "-3", "+", "#N/A", " 前后空格 ", "两行\n文字", "_x000D_", "…", "是", "12", "1.10", "2026-11-22"]
)
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_KEY = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
_CODE = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,6}", fullmatch=True)
_NUMBER = st.integers(1, 500) | st.floats(0.001, 500)


def _more(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with these keys and, sometimes, one or two that nobody knows."""
    known = st.fixed_dictionaries(required, optional=optional)
    own = st.dictionaries(_KEY.map(lambda name: f"zz_{name}"), _ANY, max_size=2)
    return st.builds(lambda first, second: {**first, **second}, known, own)


_WORDS = _more({"zh": _TEXT}, {"en": st.none() | _TEXT})


def _criterion(key: str) -> st.SearchStrategy[dict[str, Any]]:
    head, more = {"key": st.just(key), "proposed": st.booleans()}, {"source": st.none() | _TEXT}
    graded = _more(
        {**head, "levels": _more({"pass": _WORDS, "excellent": _WORDS}, {})}, {**more, "excellent_only": st.just(False)}
    )
    only = _more(
        {**head, "levels": _more({"pass": st.none(), "excellent": _WORDS}, {}), "excellent_only": st.just(True)}, more
    )
    return graded | only


@st.composite
def _item(draw: st.DrawFn, key: str, is_core: bool) -> dict[str, Any]:
    kinds = st.sampled_from(["document", "text", "image", "video", "audio", "link"])
    keys = draw(st.lists(_KEY, min_size=1, max_size=3, unique=True))
    graded: dict[str, Any] = (
        {"criteria": st.tuples(*map(_criterion, keys)).map(list)} if is_core else {"validity": _WORDS}
    )
    optional = {
        "title_en": st.none() | _TEXT,
        "alt_kinds": st.lists(kinds, max_size=2),
        "archetype": st.none() | _KEY,
        "checks": st.lists(_KEY, max_size=2, unique=True).flatmap(
            lambda names: st.tuples(
                *(_more({"key": st.just(name), "zh": _TEXT}, {"en": st.none() | _TEXT}) for name in names)
            ).map(list)
        ),
    }
    if not is_core:
        optional["criteria"] = st.just([])
    return draw(
        _more(
            {
                "key": st.just(key),
                "title_zh": _TEXT,
                "kind": kinds,
                "accept": st.lists(st.sampled_from(["docx", "pdf", "mp4", "7z"]), min_size=1, max_size=3),
                "required": st.just(True) if is_core else st.booleans(),
                "core": st.just(is_core),
                "limits": _more({"max_mb": _NUMBER}, {"max_minutes": st.none() | _NUMBER}),
                "proposed": st.booleans(),
                "source": _TEXT,
                **graded,
            },
            optional,
        )
    )


@st.composite
def packs(draw: st.DrawFn) -> dict[str, Any]:
    """A pack that loads, with texts and unknown keys of every sort."""
    groups = {}
    for name in ("environments", "dimensions"):
        codes = draw(st.lists(_KEY, min_size=1, max_size=2, unique=True))
        groups[name] = [draw(_more({"code": st.just(code), "zh": _TEXT}, {"en": st.none() | _TEXT})) for code in codes]
    points = []
    for number, code in enumerate(draw(st.lists(_CODE, min_size=1, max_size=3, unique=True)), start=1):
        keys = draw(st.lists(_KEY, min_size=1, max_size=3, unique=True))
        evidence = [draw(_item(key, place == 0 or draw(st.booleans()))) for place, key in enumerate(keys)]
        points.append(
            draw(
                _more(
                    {
                        "code": st.just(code),
                        "order": st.just(len(code) * 10 + 7 * (5 - number) + number * 100),
                        "name_zh": _TEXT,
                        "question_zh": _TEXT,
                        "environment": st.sampled_from([one["code"] for one in groups["environments"]]),
                        "dimension": st.sampled_from([one["code"] for one in groups["dimensions"]]),
                        "evidence": st.just(evidence),
                    },
                    {
                        "name_en": st.none() | _TEXT,
                        "summary_zh": st.none() | _TEXT,
                        "question_en": st.none() | _TEXT,
                        "effort": _more({}, {"video": st.integers(0, 3), "students_on_camera": st.booleans()}),
                    },
                )
            )
        )
    framework = draw(
        _more(
            {
                "id": _CODE,
                "title_zh": _TEXT,
                "status": st.sampled_from(["reference", "official"]),
                "levels": st.just(least()["framework"]["levels"]),
                **{name: st.just(members) for name, members in groups.items()},
            },
            {"notice_zh": st.none() | _TEXT, "title_en": st.none() | _TEXT},
        )
    )
    parts = {"schema": st.just("competency-pack/0.2"), "framework": st.just(framework), "points": st.just(points)}
    whole = draw(_more(parts, {}))
    _translate(draw, whole)
    return whole


_SPOKEN = _TEXT | st.sampled_from(["مەكتەپ", "دەرس\u200cلەر", "ᠰᠤᠷᠭᠠᠭᠤᠯᠢ\u202fᠶᠢᠨ", "སློབ་གྲྭ", "école", "학교"])


def _translate(draw: st.DrawFn, whole: dict[str, Any]) -> None:
    """Gives some packs a few texts in one or two further languages."""
    tags = draw(st.lists(st.sampled_from(["ug", "bo", "mn-Mong", "kk-Arab", "zh-Hant", "fr"]), max_size=2, unique=True))
    places = [
        (part.data, field)
        for part in languages.parts(whole)
        for field in languages.FIELDS[part.kind]
        if languages.said(part.data, field)
    ]
    for tag in tags:
        for place, text in draw(
            st.dictionaries(st.integers(0, len(places) - 1), _SPOKEN, min_size=1, max_size=4)
        ).items():
            data, field = places[place]
            data.setdefault("translations", {}).setdefault(tag, {})[field] = text
    if tags:
        whole["framework"]["languages"] = tags
