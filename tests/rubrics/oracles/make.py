"""What independent packages say of α and ICC(1,k), written to `reliability.json` for `test_reliability.py`.

They are GPL, so they never enter the project's own environment. In one of its own:

    python -m venv DIR
    DIR/bin/pip install krippendorff==0.9.0 pyirr==0.84.1.2
    DIR/bin/python tests/rubrics/oracles/make.py
"""

import json
import random
from importlib.metadata import version
from pathlib import Path

import krippendorff
import numpy as np
import pandas as pd
import pyirr

WORKS, REVIEWERS, LEVELS = (10, 60), (2, 5), (2, 5)
DRAWS = 40


def drawn(chance: random.Random) -> tuple[int, list[list[int]]]:
    """How many levels there are, and what the reviewers of each work gave."""
    levels, reviewers = chance.randint(*LEVELS), chance.randint(*REVIEWERS)
    apart = chance.uniform(0.1, 1.2)
    works = []
    for _ in range(chance.randint(*WORKS)):
        worth = chance.uniform(0, levels - 1)
        works.append([min(levels - 1, max(0, round(worth + chance.gauss(0, apart)))) for _reviewer in range(reviewers)])
    return levels, works


def main() -> None:
    """Draws works, and asks each package."""
    chance = random.Random(646)
    found = []
    for _ in range(DRAWS):
        levels, works = drawn(chance)
        some = [[mark for mark in work if chance.random() > 0.2] for work in works]  # reviews that never came
        width = max(map(len, works))
        table = np.array([[*work, *[np.nan] * (width - len(work))] for work in some]).T
        icc = pyirr.intraclass_correlation(pd.DataFrame(works), model="oneway", mtype="consistency", unit="average")
        found.append(
            {
                "levels": levels,
                "whole": works,
                "some": some,
                "alpha_of_whole": krippendorff.alpha(np.array(works).T, level_of_measurement="ordinal"),
                "alpha_of_some": krippendorff.alpha(table, level_of_measurement="ordinal"),
                "icc_of_whole": float(icc.value),
            }
        )
    said = {name: version(name) for name in ("krippendorff", "pyirr")}
    lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in found)
    path = Path(__file__).with_name("reliability.json")
    path.write_text(f'{{"packages": {json.dumps(said)}, "draws": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
