"""The page of 放假安排: a pasted notice is shown before it is saved, and what is wrong stands beside its line."""

import re

from tests import people as cast
from tests.flow.test_holidays import write


def seen(page: str) -> str:
    return re.search(r'name="seen" value="([0-9a-f]*)"', page)[1]


def test_a_notice_is_checked_and_then_saved(browse, world):
    officer, url = browse(cast.OFFICER), "/holidays"
    assert "2026 年的放假安排还没有写" in officer.get(url).text
    wrong = officer.post(url, {"year": "2026", "list": "10月1日放假\n10月40日放假"})
    assert (wrong.status_code, seen(wrong.text)) == (422, "")
    assert "第 2 行" in wrong.text
    typed = {"year": "2026", "list": "国庆节：10月1日至7日放假调休，共7天。10月10日（周六）上班。\n请各地妥善安排"}
    page = officer.post(url, typed)
    for words in ("放假 7 天、周末上班 1 天", "10月1日 (周四) 至 10月7日 (周三)", "没有用到的行：请各地妥善安排"):
        assert words in page.text
    assert "不是周末" not in page.text
    assert "10月9日 (周五) 不是周末" in officer.post(url, {"year": "2026", "list": "10月1日放假。10月9日上班"}).text
    other = officer.post(url, {**typed, "list": "10月1日放假", "seen": seen(page.text)})
    assert "放假 1 天、周末上班 0 天" in other.text  # changed after the check: looked at again
    assert "还没有写" in officer.get(url).text
    saved = officer.post(url, {**typed, "seen": seen(page.text)})
    assert saved.status_code == 303
    page = officer.get(saved.location).text
    assert "2026 年的放假安排已保存" in page
    assert cast.OFFICER.name in page
    again = officer.get(f"{url}?year=2026").text
    assert "2026-10-01 – 2026-10-07 放假\n2026-10-10 上班" in again
    assert "没有要改的" in officer.post(url, {"year": "2026", "list": "2026-10-01 – 2026-10-07\n10-10 上班"}).text
    assert officer.post(url, {"year": "x", "list": ""}).status_code == 422
    for who in (cast.CHEN, cast.LEAD, cast.AUDITOR):
        assert browse(who).get(url).status_code == 403


def test_the_chain_says_which_year_is_missing_and_leads_there(browse, world):
    world.set_rules(chain={"check": True, "publicity": True})
    officer, url = browse(cast.OFFICER), f"/chain/{world.programme.uuid}"
    page = officer.get(url).text
    assert "2026 年放假和调休的日子还没有写" in page
    assert 'href="/holidays"' in page
    write(world, "2026-10-01")
    assert "还没有写" not in officer.get(url).text
