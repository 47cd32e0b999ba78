"""Two-sided blind: nothing that an author can reach says who reviewed, and no page of a reviewer's own says whose the
works are. (What stands inside the files that reviewers get: tests/web/test_review.py.)"""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from html import unescape
from urllib.parse import unquote

from lms_plugin.flow import award, cases, review
from tests import people as cast
from tests.factories import Browser, World
from tests.flow.handed_in import all_marks, cast_of, finish_review, hand_in, judgement, reviews_of

HOUR = timedelta(hours=1)
Browse = Callable[[cast.Cast | None], Browser]


def bytes_of(browser: Browser, addresses: Iterable[str], links: str) -> dict[str, str]:
    """All that these addresses and the pages they lead to (`links`: a pattern) send: headers and bodies."""
    waiting, seen = list(addresses), dict[str, str]()
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        answer = browser.get(address)
        assert answer.status_code in {200, 302, 303}, (address, answer.status_code)
        head = unquote("\n".join(f"{name}: {value}" for name, value in answer.headers.items()))
        seen[address] = head + answer.data.decode("utf-8", "replace")
        answer.close()
        if answer.mimetype == "text/html":
            found = re.findall(r'(?:href|src|hx-get)="([^"#]*)', answer.text)
            waiting += [link for link in map(unescape, found) if re.match(links, link)]
    return seen


def test_nobody_learns_of_the_other_side(world: World, browse: Browse) -> None:
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, world.now)
    first, second = reviews_of(world, works["chen"])
    for one, level in ((first, 2), (second, 0)):
        finish_review(world, one, world.now, level)
    told = judgement(all_marks(world, works["chen"], 1), "可以。")
    cases.decide(world.session, world.actor(cast.TRAINER), works["chen"].uuid, told, 0, 1, world.now)
    award.release(world.session, world.actor(cast.OFFICER), world.programme, [works["chen"].uuid], world.now)
    world.session.commit()
    programme, work = world.programme.uuid, works["chen"].uuid
    author = bytes_of(
        browse(cast.CHEN),
        [
            *(f"/programmes/{programme}", f"/submissions/{work}", f"/submissions/{work}/result"),
            *(f"/submissions/{work}/flag", f"/record/{programme}", "/record/whole", "/data", "/data/file"),
        ],
        r"/(submissions|record|data|appeals)(/|$)(?!.*reviews)",
    )
    assert len(author) > 7
    assert all(
        cast.CHEN.name in author[address] for address in ("/record/whole", "/data/file")
    )  # names stand as they are
    for row in (first, second):
        who = cast_of(world, row.reviewer_id)
        for address, content in author.items():
            for secret in (who.name, who.staff_number, row.uuid):
                assert secret not in content, (address, secret)
    reviewer = cast_of(world, first.reviewer_id)
    own = bytes_of(
        browse(reviewer),
        [f"/programmes/{programme}", "/reviews", f"/reviews/{first.uuid}", "/workload", "/data", "/data/file"],
        r"/reviews(/[0-9a-f]{32}|/own-marks|$)",
    )
    assert len(own) > 5
    for address, content in own.items():
        for secret in (cast.CHEN.name, cast.CHEN.staff_number, work):
            assert secret not in content, (address, secret)
