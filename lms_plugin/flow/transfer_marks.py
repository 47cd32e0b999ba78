"""How each work in a package was judged: the marks with the names of what they are for, who decided, by which rule.

Names of items and criteria travel since they are known here at most by chance; a package without them is read as well.
Nobody who reviewed or decided is named: of them the package says what they were (`BY`).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from sqlmodel import Session

import competencies
import rubrics
from lms_plugin.errors import Refused
from lms_plugin.flow import marking

Text = Mapping[str, str]
BY = ("trainer", "panel", "rule")
"""Who decided: a trainer, the school's 考核小组, or the programme's rule without anybody looking."""
MOST_ITEMS, MOST_CRITERIA, MOST_REVIEWS = 200, 200, 100


@dataclass(frozen=True)
class Line:
    """One criterion. `item`, `asks`: {} where the package does not say (`key` names it then); `counts`: how many
    reviewers gave each level, the best first; `own`: the author's own mark; `level`: what was decided."""

    key: str
    item: Text
    asks: Text
    is_validity: bool
    counts: Mapping[int, int]
    own: int | None
    level: int | None
    reason: str


@dataclass(frozen=True)
class Judged:
    """How a work was judged. `by`: one of `BY`, "" = not said; `rule_number`, `rule_sha256`: of the version of the
    programme's rules that held then, 0 and "" = not said; `level_words`: the framework's own words, as `Held` has them;
    `decided_on`: the day."""

    by: str
    rule_number: int
    rule_sha256: str
    decided_on: str
    reviews: int
    level_words: Mapping[str, Text] | None
    lines: tuple[Line, ...]


# --- going out ---


def names(session: Session, versions: Mapping[int, int]) -> dict[int, list[dict[str, Any]]]:
    """The items and criteria by which these versions ({version id: point id}) were judged: two queries."""
    return {
        version: [
            {
                "key": item.key,
                "title": dict(item.requirement.title),
                "criteria": [
                    {
                        "key": line.key,
                        "asks": dict(line.texts[min(line.texts)]) if line.texts else {},
                        "is_validity": line.is_validity,
                    }
                    for line in item.criteria
                ],
            }
            for item in sheet.items
        ]
        for version, sheet in marking.sheets(session, versions).items()
    }


# --- coming in: a package from elsewhere may say anything ---


def bare(text: str) -> str:
    """What can be shown and kept: no control characters but breaks, no half surrogates."""
    kept = "".join(one for one in text if one.isprintable() or one == "\n")
    kept.encode()
    return kept


Bare = Annotated[str, AfterValidator(bare)]
_Key = Annotated[Bare, StringConstraints(min_length=1, max_length=64)]
_Words = Annotated[dict[Bare, Annotated[Bare, StringConstraints(max_length=4000)]], Field(max_length=20)]
_Level = Annotated[
    int | None, Field(ge=0, le=2), BeforeValidator(lambda said: int(said) if isinstance(said, bool) else said)
]  # 有效 and 无效 may be said as true and false


class _Loose(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Criterion(_Loose):
    key: _Key
    asks: _Words = Field(default_factory=dict)
    is_validity: bool = False


class _Item(_Loose):
    key: _Key
    title: _Words
    criteria: list[_Criterion] = Field(max_length=MOST_CRITERIA)


class _Rule(_Loose):
    number: int = Field(ge=1, le=100_000)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class _Given(_Loose):
    level: _Level = None
    reason: Bare = Field(default="", max_length=20_000)


class _Mark(_Loose):
    item: _Key
    criterion: _Key
    level: _Level = None


class _Review(_Loose):
    marks: list[_Mark] = Field(default_factory=list, max_length=MOST_ITEMS * MOST_CRITERIA)


class _Decided(_Loose):
    decided_at: Bare = Field(default="", max_length=40)
    by: str = Field(default="", pattern="^(" + "|".join(BY) + ")?$")
    rule: _Rule | None = None
    marks: dict[_Key, dict[_Key, _Given]] = Field(default_factory=dict, max_length=MOST_ITEMS)


class _Work(_Loose):
    items: list[_Item] = Field(default_factory=list, max_length=MOST_ITEMS)
    level_words: dict[Bare, _Words] | None = Field(default=None, max_length=3)
    self_marks: dict[_Key, dict[_Key, _Level]] = Field(default_factory=dict, max_length=MOST_ITEMS)
    reviews: list[_Review] = Field(default_factory=list, max_length=MOST_REVIEWS)
    decision: _Decided


def must_be_readable(lines: Iterable[Mapping[str, Any]]) -> None:
    """Raises Refused `transfer.marks_unreadable` where a work says by which criteria it was judged, in another shape
    than docs/transfer.md says. Of packages that say nothing of that, nothing is asked."""
    for number, line in enumerate(lines, start=1):
        if "items" in line and _read(line) is None:
            raise Refused("transfer.marks_unreadable", line=number)


def day_of(moment: str, timezone: str) -> str:
    """The day of a moment that a package says, in that time zone; what is no such moment as it stands, cut short."""
    try:
        found = datetime.fromisoformat(moment)
        return competencies.local_day(found, timezone).isoformat() if found.tzinfo is not None else moment[:10]
    except (ValueError, OverflowError):
        return moment[:10]


def judged_in(line: Mapping[str, Any], timezone: str) -> Judged | None:
    """How the work in a line of the record was judged; None where it is not said in a shape that we know. `timezone`:
    whose days are told."""
    said = _read(line)
    if said is None:
        return None
    given: dict[tuple[str, str], list[int]] = {}
    for review in said.reviews:
        for mark in review.marks:
            if mark.level is not None:
                given.setdefault((mark.item, mark.criterion), []).append(mark.level)
    lines = []
    for item, criterion in _criteria(said, given):
        levels, decided = given.get((item.key, criterion.key), []), said.decision.marks.get(item.key, {})
        stands = decided.get(criterion.key, _Given())
        lines.append(
            Line(
                key=f"{item.key} · {criterion.key}",
                item=item.title,
                asks=criterion.asks,
                is_validity=criterion.is_validity,
                counts={level: levels.count(level) for level in sorted(set(levels), reverse=True)},
                own=said.self_marks.get(item.key, {}).get(criterion.key),
                level=stands.level,
                reason=stands.reason,
            )
        )
    rule = said.decision.rule
    return Judged(
        by=said.decision.by,
        rule_number=rule.number if rule is not None else 0,
        rule_sha256=rule.sha256 if rule is not None else "",
        decided_on=day_of(said.decision.decided_at, timezone),
        reviews=len(said.reviews),
        level_words=said.level_words,
        lines=tuple(lines),
    )


def _read(line: Mapping[str, Any]) -> _Work | None:
    try:
        return _Work.model_validate(line)
    except (ValidationError, ValueError):
        return None


def _criteria(said: _Work, given: Collection[tuple[str, str]]) -> list[tuple[_Item, _Criterion]]:
    """The criteria on which somebody said something: in the package's own order those that it names, then others."""
    marked = {(item, key) for item, marks in said.decision.marks.items() for key in marks} | set(given)
    found = [(item, line) for item in said.items for line in item.criteria if (item.key, line.key) in marked]
    named = {(item.key, line.key) for item, line in found}
    for item, key in sorted(marked - named):
        bare_item = _Item(key=item, title={}, criteria=[])
        found.append((bare_item, _Criterion(key=key, is_validity=key == rubrics.VALIDITY_KEY)))
    return found
