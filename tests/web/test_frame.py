"""Every page: who is let in, and what a refusal says."""

import re
from pathlib import Path

from tests.people import CHEN


def test_a_stranger_gets_the_same_page_for_every_address(browse):
    stranger = browse(None)
    for address in ("/", "/reviews", "/nothing/here"):
        answer = stranger.get(address)
        assert answer.status_code == 401
        assert "参考编号" in answer.text


def test_somebody_signed_in_gets_404_for_what_is_not_there(browse):
    assert browse(CHEN).get("/nothing/here").status_code == 404


def test_the_process_says_that_it_lives(browse):
    assert browse(None).get("/livez").json == {"status": "ok"}


def test_every_form_says_where_it_goes():
    """In a tab without cookies the address bar stays where the launch ended: a form without `action` would go there."""
    folder = Path(__file__).parent.parent.parent / "lms_plugin" / "templates"
    wrong = [
        f"{path.name}: {form}"
        for path in sorted(folder.rglob("*.html"))
        for form in re.findall(r"<form [^>]*>", path.read_text(encoding="utf-8"))
        if "method=" in form and "action=" not in form
    ]
    assert wrong == []
