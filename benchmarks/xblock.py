"""The Open edX block: `make bench NAME=xblock`.

Two promises: a learner's view takes at most 20 ms of the LMS's time and asks nobody; a thousand scores that the tool
posts at once are each in the gradebook once. Against the published consumer on SQLite, one process, as tests/xblock has
it: what it costs beyond the block is the consumer's own (it parses its key for every request).
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(HOUSE), str(HOUSE / "tools")]

import requests  # noqa: E402 - the house is on the path only now
import stock  # noqa: E402

from tests.xblock.site import Learner, Site, site_of  # noqa: E402

PROMISED_MS = 20
SENDERS = 8  # at once
SCORE = "application/vnd.ims.lis.v1.score+json"


def views(site: Site, times: int) -> tuple[float, float, float, int]:
    """Median, 95th percentile and worst of a learner's view in milliseconds of the processor, and how many queries
    all of them made."""
    learner = Learner(site, "lin")
    found = learner.host.ask("GET", f"{site.root}/timed/first?times={times}").json()
    ordered = sorted(found["times"])
    return statistics.median(ordered), ordered[int(0.95 * len(ordered))], ordered[-1], found["queries"]


def scores(site: Site, count: int) -> tuple[float, int, int, int]:
    """Seconds until that many were answered, how many were refused, how many learners have their grade, and how many
    have it more than once or wrong."""
    crowd = site.ask(f"crowd/{count}")
    subjects = crowd["subjects"]
    assert Learner(site, "lin").launch("first").status_code == 303
    url, client = site.course("first").lineitem_url, site.client("first")
    head = {"Authorization": f"Bearer {client.access_token()}", "Content-Type": SCORE}

    def post(number: int) -> int:
        body = {
            "userId": subjects[number],
            "scoreGiven": number,
            "scoreMaximum": count,
            "activityProgress": "Completed",
        }
        body |= {"gradingProgress": "FullyGraded", "timestamp": datetime.now(UTC).isoformat()}
        return requests.post(f"{url}/scores", json=body, headers=head, timeout=300).status_code

    began = time.monotonic()
    with ThreadPoolExecutor(SENDERS) as pool:
        refused = sum(status != 201 for status in pool.map(post, range(count)))
    seconds = time.monotonic() - began
    grades = site.ask("tally/first")["grades"]
    times = Counter(user for user, _value in grades)
    wanted = {user: 10 * number / count for number, user in enumerate(crowd["numbers"])}
    wrong = {user for user, value in grades if abs(value - wanted[user]) > 1e-6}
    return seconds, refused, len(times), len(wrong | {user for user, often in times.items() if often > 1})


def main() -> int:
    """Prints both figures; 1 where a promise is not kept."""
    reads = argparse.ArgumentParser(description=__doc__)
    reads.add_argument("--views", type=int, default=1000)
    reads.add_argument("--scores", type=int, default=1000)
    reads.add_argument("--generation", default=stock.GENERATIONS[0], choices=stock.GENERATIONS)
    asked = reads.parse_args()
    if stock.python_of(asked.generation) is None:
        print("the consumer is not installed: python tools/stock.py", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, site_of(asked.generation, Path(folder)) as site:
        site.opens("first")
        site.register("first")
        median, slow, worst, queries = views(site, asked.views)
        told = f"median {median:.2f} ms, 95 % {slow:.2f} ms, worst {worst:.2f} ms, {queries} queries"
        print(f"view      {asked.views} times: {told}")
        seconds, refused, learners, wrong = scores(site, asked.scores)
        rate = asked.scores / seconds
        print(
            f"scores    {asked.scores} in {seconds:.1f} s ({rate:.0f} a second, {SENDERS} at once), {refused} refused"
        )
        print(f"gradebook {learners} learners have their grade, {wrong} of them twice or wrong")
    is_kept = slow <= PROMISED_MS and not queries and not refused and learners == asked.scores and not wrong
    print(
        f"xblock: view {slow:.1f} ms of {PROMISED_MS}, {learners} of {asked.scores} once {'ok' if is_kept else 'short'}"
    )
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
