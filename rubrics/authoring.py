"""Rubrics as data: publishing an immutable version, and reading many of them with one query."""

import hashlib
import json
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from lms_plugin.db import pk
from lms_plugin.errors import Invalid
from rubrics.models import Criterion, CriterionLevel, RubricVersion

VALIDITY_KEY = "is_valid"
"""The criterion key of the one statement by which an item that is not core is judged 有效 or 无效."""

LEVEL_NAMES = {"pass": 1, "excellent": 2}

Text = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CriterionText:
    """One line of a published rubric. `texts` has what each level asks: 1 合格 (or 有效), 2 优秀.

    A criterion without a text for level 1 asks nothing for a pass: leaving it out keeps a work from 优秀 alone.
    `weight`: how much it counts beside the others of its item; None where the lowest criterion decides (as under 2.0).
    """

    key: str
    position: int
    is_validity: bool
    is_proposed: bool
    texts: Mapping[int, Text]
    weight: int | None = None

    @property
    def is_excellent_only(self) -> bool:
        """Whether it asks nothing for a pass."""
        return not self.is_validity and 1 not in self.texts

    @property
    def choices(self) -> tuple[int, ...]:
        """The levels it may get, as stored: 0 below pass (or 无效), 1 pass (or 有效), 2 excellent."""
        if self.is_validity:
            return (0, 1)
        return (1, 2) if self.is_excellent_only else (0, 1, 2)


def shares(lines: Collection[CriterionText]) -> dict[str, int]:
    """How much each criterion of an item counts, in percent of the item, rounded; empty where the lowest decides."""
    whole = sum(line.weight or 0 for line in lines)
    return {line.key: round(100 * line.weight / whole) for line in lines if line.weight is not None}


def publish_rubric(
    session: Session,
    tenant_id: int,
    title: Text,
    criteria: Sequence[Mapping[str, Any]] | Mapping[str, str],
    now: datetime,
) -> RubricVersion:
    """Makes an immutable rubric version of one evidence requirement.

    `criteria`: a list of {"key", "proposed", "levels": {"pass": {zh, en} or None, "excellent": {zh, en}}} for a core
    item, or the validity statement {zh, en} of an item that is not core. A criterion may have a "weight" (1 to 100),
    then all of the item have one. Raises Invalid naming the criterion.
    """
    lines = criteria_from(criteria)
    canonical = {
        "title": _normal(title),
        "criteria": [
            {
                "key": line.key,
                "validity": line.is_validity,
                "proposed": line.is_proposed,
                "levels": {str(level): _normal(text) for level, text in line.texts.items()},
                **({"weight": line.weight} if line.weight is not None else {}),
            }
            for line in lines
        ],
    }
    content = json.dumps(canonical, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    version = RubricVersion(
        tenant_id=tenant_id,
        title=_normal(title),
        content_hash=hashlib.sha256(content.encode()).hexdigest(),
        created_at=now,
    )
    session.add(version)
    session.flush()
    rows = [
        Criterion(
            rubric_version_id=pk(version),
            key=line.key,
            position=line.position,
            is_validity=line.is_validity,
            is_proposed=line.is_proposed,
            weight=line.weight,
        )
        for line in lines
    ]
    session.add_all(rows)
    session.flush()
    session.add_all(
        CriterionLevel(criterion_id=pk(row), level=level, text=_normal(text))
        for row, line in zip(rows, lines, strict=True)
        for level, text in line.texts.items()
    )
    session.flush()
    return version


_CRITERIA = (
    select(Criterion, CriterionLevel)
    .join(CriterionLevel, col(CriterionLevel.criterion_id) == col(Criterion.id), isouter=True)
    .where(col(Criterion.rubric_version_id).in_(bindparam("versions", expanding=True)))
    .order_by(col(Criterion.rubric_version_id), col(Criterion.position), col(CriterionLevel.level))
)


def criteria_of(session: Session, rubric_version_ids: Collection[int]) -> dict[int, tuple[CriterionText, ...]]:
    """The criteria of these rubric versions in their order: one query, however many versions."""
    found: dict[int, list[CriterionText]] = {key: [] for key in rubric_version_ids}
    if not found:
        return {}
    rows = session.exec(_CRITERIA, params={"versions": list(found)}).all()
    texts: dict[int, dict[int, Text]] = {}
    for row, level in rows:
        of_row = texts.setdefault(pk(row), {})
        if level is not None:
            of_row[level.level] = level.text
    for row in {pk(row): row for row, _level in rows}.values():
        found[row.rubric_version_id].append(
            CriterionText(row.key, row.position, row.is_validity, row.is_proposed, texts[pk(row)], row.weight)
        )
    return {key: tuple(lines) for key, lines in found.items()}


def criteria_from(criteria: Sequence[Mapping[str, Any]] | Mapping[str, str]) -> list[CriterionText]:
    """The criteria that publishing this (as `publish_rubric` takes it) would make. Raises as that."""
    if isinstance(criteria, Mapping):
        if not _is_text(criteria):
            raise Invalid({VALIDITY_KEY: "rubric.text_missing"})
        return [CriterionText(VALIDITY_KEY, 1, True, True, {1: criteria})]
    wrong: dict[str, str | tuple[str, dict[str, Any]]] = {}
    lines: list[CriterionText] = []
    for position, given in enumerate(criteria, start=1):
        key = str(given.get("key", ""))
        levels = given.get("levels") or {}
        texts = {number: levels[name] for name, number in LEVEL_NAMES.items() if levels.get(name)}
        if not key or key == VALIDITY_KEY or key in {line.key for line in lines}:
            wrong[f"criteria.{position}"] = ("rubric.key_unusable", {"key": key})
        elif LEVEL_NAMES["excellent"] not in texts or not all(_is_text(text) for text in texts.values()):
            wrong[key] = "rubric.text_missing"
        lines.append(CriterionText(key, position, False, bool(given.get("proposed", True)), texts, given.get("weight")))
    if len({line.weight is None for line in lines}) > 1:
        wrong["criteria"] = "rubric.weight_missing"
    if not lines:
        wrong["criteria"] = "rubric.criteria_missing"
    if wrong:
        raise Invalid(wrong)
    return lines


def _is_text(text: Any) -> bool:
    return isinstance(text, Mapping) and bool(str(text.get("zh", "")).strip())


def _normal(text: Text) -> dict[str, str]:
    """NFC, so that the same words give the same hash whatever keyboard they came from."""
    return {language: unicodedata.normalize("NFC", words) for language, words in sorted(text.items())}
