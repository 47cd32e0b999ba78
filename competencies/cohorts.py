"""分批: in which year who of a district takes part, such as 30 %, 50 % and 20 % in three years."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a district a year calls."""

    year: int
    percent: int


def share_out(
    shares: Sequence[Share], schools: Sequence[Sequence[int]], kept: Mapping[int, int], seed: str
) -> dict[int, int]:
    """Gives each person a year: {person: year} of those who have none in `kept` yet.

    `schools`: the people of each school. Within a school the order is drawn by `seed`, so that the same seed draws the
    same again; one school follows the other, and each next person goes where the district is most behind. So the whole
    district has its shares, and each school nearly its own. `kept`: who has a year already; they count and stay.
    """
    given = {share.year: 0 for share in shares}
    for year in kept.values():
        if year in given:
            given[year] += 1
    found: dict[int, int] = {}
    total = sum(given.values())
    for people in schools:
        for person in sorted(people, key=lambda one: _lot(seed, one)):
            if person in kept or person in found:
                continue
            total += 1
            most = max(shares, key=lambda share: (share.percent * total - 100 * given[share.year], -share.year))
            given[most.year] += 1
            found[person] = most.year
    return found


def _lot(seed: str, person: int) -> str:
    return hashlib.sha256(f"{seed}:{person}".encode()).hexdigest()
