"""The page of how many reviews each gives: one number, a list, and what is wrong with it beside its place."""

from io import BytesIO

from tests import people as cast


def test_one_number_and_a_list_are_set_on_the_page(browse, world):
    officer, url = browse(cast.OFFICER), f"/reviews/quotas/{world.programme.uuid}"
    assert "还没有人另写" not in officer.get(url).text
    wrong = officer.post(url, {"staff_number": "XW404", "most": "x"})
    assert wrong.status_code == 422
    assert "XW404" in wrong.text
    assert officer.post(url, {"staff_number": "XW001", "most": "2"}).status_code == 303
    bad = officer.post(url, {"what": "list", "list": "XW001 3\nXW404 1"})
    assert bad.status_code == 422
    assert "第 3 行" in bad.text
    assert "XW404 1" in bad.text
    sent = officer.post(url, {"what": "list", "list": "XW001 3\nXW002 0"})
    assert "1 人另写了份数" in officer.get(url).text  # checked, not written
    page = officer.get(sent.location).text
    assert "要改 2 人的份数" in page
    assert browse(cast.LEAD).get(sent.location).status_code == 404  # another person's list
    assert officer.post(sent.location, {}).status_code == 303
    assert "2 人另写了份数" in officer.get(url).text
    assert officer.post(sent.location, {}).location.endswith("saved=0")
    file = (BytesIO("工号,份数\nXW001,\n".encode()), "名单.csv")
    sent = officer.post(url, {"what": "list", "file": file}, content_type="multipart/form-data")
    assert officer.post(sent.location, {}).status_code == 303
    assert "1 人另写了份数" in officer.get(url).text
    nothing = officer.post(url, {"what": "list"})
    assert nothing.status_code == 422
    for who in (cast.CHEN, cast.AUDITOR):
        assert browse(who).get(url).status_code == 403
