"""What CASE 1.0 has fields for, and where the rest of a pack stands in a CASE package.

Whatever CASE cannot say (limits of files, checks, English texts of criteria, keys that nobody knows) stands as JSON
under "nengli" in the `notes` of the same document or item: other programs keep notes, but drop keys they do not know.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from competencies.exchange.fields import PLAIN, Field

ITEM_TYPES = ("environment", "dimension", "point", "evidence")
RANKS = {"pass": 1, "excellent": 2}
MARK = "nengli"

DOCUMENT: dict[str, Field] = {"title": Field(("title_zh",), PLAIN)}
ITEMS: dict[str, dict[str, Field]] = {
    "environment": {
        "humanCodingScheme": Field(("code",), PLAIN),
        "fullStatement": Field(("zh",), PLAIN),
        "alternativeLabel": Field(("en",), PLAIN),
    },
    "dimension": {
        "humanCodingScheme": Field(("code",), PLAIN),
        "fullStatement": Field(("zh",), PLAIN),
        "alternativeLabel": Field(("en",), PLAIN),
    },
    "point": {
        "humanCodingScheme": Field(("code",), PLAIN),
        "abbreviatedStatement": Field(("name_zh",), PLAIN),
        "alternativeLabel": Field(("name_en",), PLAIN),
        "fullStatement": Field(("summary_zh",), PLAIN),
    },
    "evidence": {
        "humanCodingScheme": Field(("key",), PLAIN),
        "fullStatement": Field(("title_zh",), PLAIN),
        "alternativeLabel": Field(("title_en",), PLAIN),
    },
}
CRITERION: dict[str, Field] = {
    "key": Field(("key",), PLAIN),
    "pass": Field(("levels", "pass", "zh"), PLAIN),
    "excellent": Field(("levels", "excellent", "zh"), PLAIN),
}

GROUPINGS = {"proposed": "拟议对照 / proposed crosswalk", "confirmed": "已核对的对照 / checked crosswalk"}
"""By state, what the associations of a crosswalk are grouped under in a package."""

_ROOM = uuid.UUID("5f0a4a0e-6c0b-5d43-9a53-0d8e3b1f9c27")  # of the ids that are made here


def identifier(*names: str) -> str:
    """The id of a thing of a framework: the same names give the same id in every export."""
    return str(uuid.uuid5(_ROOM, json.dumps(names, ensure_ascii=False)))


def grouping(state: str) -> str:
    """The identifier of a grouping of GROUPINGS: the same in every package, by which links are known again."""
    return identifier("CFAssociationGrouping", state)


def qualities(levels: Iterable[Any]) -> dict[str, str]:
    """What CASE calls the levels "pass" and "excellent": as the framework does, unless it calls both the same."""
    told = [one for one in levels if isinstance(one, dict) and one.get("code") in RANKS]
    found = {str(one["code"]): str(one.get("zh", "")).strip() for one in told}
    is_told_apart = len({word.casefold() for word in found.values()}) == len(RANKS)
    return found if is_told_apart else {"pass": "合格", "excellent": "优秀"}


def link_to(thing: Mapping[str, Any], title: str) -> dict[str, str]:
    """A CASE link to a document or an item."""
    return {"title": title, "identifier": thing["identifier"], "uri": thing["uri"]}


def notes(rest: Mapping[str, Any]) -> str:
    """The rest of a thing as text for `notes`."""
    return json.dumps({MARK: rest}, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def rest_of(text: Any) -> dict[str, Any] | None:
    """What `notes` wrote, or None of notes that somebody else wrote."""
    if not isinstance(text, str) or MARK not in text:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    rest = found.get(MARK) if isinstance(found, dict) else None
    return rest if isinstance(rest, dict) else None
