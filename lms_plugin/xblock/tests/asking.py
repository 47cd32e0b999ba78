"""How the tests call a block, and whom and what they all name."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from nengli_xblock import compat
from webob import Request

PROGRAMME = "0123456789abcdef0123456789abcdef"
AT = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
LEARNER = SimpleNamespace(id=7)


def call(block: Any, handler: str, body: Any = None, method: str = "POST") -> Any:
    """A handler as the LMS calls it; what it changed is stored."""
    request = Request.blank("/", method=method)
    request.body = json.dumps({} if body is None else body).encode() if method == "POST" else b""
    answer = block.runtime.handle(block, handler, request)
    block.save()
    return answer


def page(block: Any, view: str = "student_view") -> str:
    return block.runtime.render(block, view).content


def scored(monkeypatch: pytest.MonkeyPatch, given: float, maximum: float = 3) -> compat.Score:
    """The newest score that the consumer holds, for everybody."""
    score = compat.Score(given, maximum, "已认定能力点 2 个", AT)
    monkeypatch.setattr(compat, "newest", lambda *_which: score)
    return score


class Usage(str):
    """A usage id of the workbench that knows a course, as those of an LMS do."""

    __slots__ = ()
    context_key = "course"
