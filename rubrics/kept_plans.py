"""Plans that can be drawn again: what went in, the seed, the version of the code, and what came out, as hashes.

An auditor who replays a kept plan gets the same reviews or is told what is different: the inputs, the code, or the
rows that the database holds today.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlmodel import Session, select

from lms_plugin.errors import Invalid
from rubrics.allocation import VERSION, allocate, third_reviewer
from rubrics.models import AllocationPlan
from rubrics.pool import AllocationRule, Assignment, Load, Reviewer, Shortage, Work

MOST_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Inputs:
    """All that a plan depends on but the seed. `differing`: works that want a third reviewer, with the point levels of
    their reviews; empty where the programme asks no third one."""

    works: tuple[Work, ...]
    reviewers: tuple[Reviewer, ...]
    existing: tuple[Assignment, ...]
    rule: AllocationRule
    differing: Mapping[int, tuple[int, ...]]

    def canonical(self) -> bytes:
        """As JSON that says the same for the same inputs, whatever their order."""
        told = {
            "works": [
                [one.id, one.author_id, one.school_id, one.group_id, one.subject, one.stage, _sorted(one.course_groups)]
                for one in sorted(self.works, key=lambda one: one.id)
            ],
            "reviewers": [
                [
                    *(one.id, one.school_id, one.group_id, one.subject, one.stage, one.owed_now, one.quota),
                    *map(_sorted, (one.refused_works, one.recused_authors, one.course_groups, one.past_authors)),
                ]
                for one in sorted(self.reviewers, key=lambda one: one.id)
            ],
            "existing": sorted({(one.work_id, one.reviewer_id) for one in self.existing}),
            "rule": asdict(self.rule),
            "differing": {str(work): list(levels) for work, levels in self.differing.items()},
        }
        return json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def of(cls, canonical: bytes) -> "Inputs":
        """What `canonical` wrote."""
        told = json.loads(canonical)
        works = [
            Work(id_, author, school, group, subject, _set(groups), stage)
            for id_, author, school, group, subject, stage, groups in told["works"]
        ]
        reviewers = [
            Reviewer(
                *(id_, school, group, subject, owed),
                *(frozenset(refused), frozenset(recused), frozenset(groups), stage, quota),
                *map(frozenset, past),  # plans that are older do not say
            )
            for id_, school, group, subject, stage, owed, quota, refused, recused, groups, *past in told["reviewers"]
        ]
        return cls(
            works=tuple(works),
            reviewers=tuple(reviewers),
            existing=tuple(Assignment(*pair) for pair in told["existing"]),
            rule=AllocationRule(**told["rule"]),
            differing={int(work): tuple(levels) for work, levels in told["differing"].items()},
        )

    def content_hash(self) -> str:
        """SHA-256 of the canonical form."""
        return hashlib.sha256(self.canonical()).hexdigest()


@dataclass(frozen=True)
class Planned:
    """What comes of inputs and a seed: new reviews, third ones apart; what is missing; what everybody gives then."""

    assignments: tuple[Assignment, ...]
    thirds: tuple[Assignment, ...]
    shortages: tuple[Shortage, ...]
    loads: tuple[Load, ...]

    def content_hash(self) -> str:
        """SHA-256 of the new reviews."""
        return _hash_of((one.work_id, one.reviewer_id, third) for one, third in self.rows())

    def rows(self) -> list[tuple[Assignment, bool]]:
        """Every new review, and whether it is a third one."""
        return [*((one, False) for one in self.assignments), *((one, True) for one in self.thirds)]


def planned(inputs: Inputs, seed: int) -> Planned:
    """The missing reviews, then a third one for each work whose reviews differ on pass: the same inputs and seed give
    the same plan."""
    outcome = allocate(inputs.works, inputs.reviewers, inputs.rule, seed, inputs.existing)
    existing, shortages = [*inputs.existing, *outcome.assignments], list(outcome.shortages)
    thirds: list[Assignment] = []
    by_id = {work.id: work for work in inputs.works} if inputs.differing else {}
    for key in sorted(inputs.differing):
        levels = list(inputs.differing[key])
        third = third_reviewer(by_id[key], inputs.works, inputs.reviewers, inputs.rule, seed, existing, levels)
        thirds += third.assignments
        existing += third.assignments
        shortages += [one for one in third.shortages if one.work_id == key]
    return Planned(outcome.assignments, tuple(thirds), tuple(shortages), outcome.loads)


def keep_plan(session: Session, allocation_id: int, inputs: Inputs, plan: Planned) -> None:
    """Keeps what an allotment was made from; its seed stands in the allotment itself."""
    canonical = inputs.canonical()
    session.add(
        AllocationPlan(
            allocation_id=allocation_id,
            code_version=VERSION,
            inputs_hash=hashlib.sha256(canonical).hexdigest(),
            plan_hash=plan.content_hash(),
            inputs=zlib.compress(canonical),
        )
    )
    session.flush()


@dataclass(frozen=True)
class Again:
    """A kept plan, drawn once more. `inputs_hold`: what was kept still has its hash; `plan_holds`: the same came out.
    `missing`, `more`: rows of the plan that the database has not, and rows it has that the plan has not."""

    code_version: int
    is_code_same: bool
    inputs_hash: str
    inputs_hold: bool
    plan_holds: bool
    missing: int
    more: int

    @property
    def holds(self) -> bool:
        """Whether everything is as it was."""
        return self.inputs_hold and self.plan_holds and not self.missing and not self.more


def draw_again(session: Session, allocation_id: int, seed: int, rows: Iterable[tuple[int, int, bool]]) -> Again | None:
    """Draws a kept plan once more and lays it beside `rows`: work, reviewer, whether a third one. None: not kept."""
    kept = session.exec(select(AllocationPlan).where(AllocationPlan.allocation_id == allocation_id)).one_or_none()
    if kept is None:
        return None
    stands, found = set(rows), set[tuple[int, int, bool]]()
    plan_holds = False
    try:
        canonical = zlib.decompressobj().decompress(kept.inputs, MOST_BYTES)  # it may have come with an archive
    except zlib.error:
        canonical = b""
    inputs_hold = hashlib.sha256(canonical).hexdigest() == kept.inputs_hash
    if inputs_hold:  # of another list nothing is drawn: it would prove nothing
        try:
            plan = planned(Inputs.of(canonical), seed)
        except (ArithmeticError, AttributeError, Invalid, LookupError, RecursionError, TypeError, ValueError):
            pass  # written over together with its hash, by somebody who is no allotment: then the plan does not hold
        else:
            plan_holds = plan.content_hash() == kept.plan_hash
            found = {(one.work_id, one.reviewer_id, third) for one, third in plan.rows()}
    return Again(
        code_version=kept.code_version,
        is_code_same=kept.code_version == VERSION,
        inputs_hash=kept.inputs_hash,
        inputs_hold=inputs_hold,
        plan_holds=plan_holds,
        missing=len(found - stands),
        more=len(stands - found),
    )


def _hash_of(rows: Iterable[tuple[Any, ...]]) -> str:
    return hashlib.sha256(json.dumps(sorted(rows), separators=(",", ":")).encode()).hexdigest()


def _sorted(values: frozenset[int] | None) -> list[int] | None:
    return sorted(values) if values is not None else None


def _set(values: list[int] | None) -> frozenset[int] | None:
    return frozenset(values) if values is not None else None
