"""县级抽查: which works of a school's batch the county looks at. Pure: the same works, rates and seed draw the same."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from competencies.levels import Level


class DrawnFor(StrEnum):
    """Why a work is looked at."""

    RANDOM = "random"
    EXCELLENT = "excellent"  # all 优秀 are
    APPEAL = "appeal"  # an objection to it was upheld
    AGAIN = "again"  # an earlier check overturned it


@dataclass(frozen=True, slots=True)
class Candidate:
    """A decided work of the batch by its public name. `must`: APPEAL or AGAIN where it is looked at in any case."""

    key: str
    level: int
    must: DrawnFor | None = None


def draw(candidates: Collection[Candidate], percent: int, seed: str, *, all_excellent: bool) -> dict[str, DrawnFor]:
    """The works to look at, each with why: those that must be, all 优秀 where asked for, and of all passed ones the
    share by lot, rounded up, so that there is at least one.

    The lot is the order of SHA-256 of "seed:key": anybody can work it out again, in any language, at any time.
    """
    passed = [one.key for one in candidates if one.level >= Level.PASS]
    number = -(-len(passed) * percent // 100)
    drawn = dict.fromkeys(lots(passed, seed)[:number], DrawnFor.RANDOM)
    for one in candidates:
        if one.must is not None:
            drawn[one.key] = one.must
        elif all_excellent and one.level == Level.EXCELLENT:
            drawn.setdefault(one.key, DrawnFor.EXCELLENT)
    return drawn


def lots(keys: Sequence[str], seed: str) -> list[str]:
    """These names in the order of their lots."""
    return sorted(keys, key=lambda key: (sha256(f"{seed}:{key}".encode()).hexdigest(), key))
