"""Gradebook and member list as a strict host answers, in Moodle's manners."""

import threading
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from lms_plugin.practice.config import MEMBERSHIP
from lms_plugin.practice.services import page_of

from .conftest import AGS, LINEITEM, LINEITEMS, LOOPBACK, MEMBERS, RESULTS, SCORE, Caller


def results(caller: Caller, item: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    url = item["id"].replace("/lineitem?", "/lineitem/results?") + query
    return list(caller.call("GET", url, accept=RESULTS).json)


def test_line_item_life(caller: Caller) -> None:
    item = caller.create()
    assert item["id"].startswith(LOOPBACK + "/ags/1/lineitems/")
    assert item["id"].endswith("/lineitem?type_id=1")
    assert caller.call("GET", item["id"], accept=LINEITEM).json == item
    changed = caller.call("PUT", item["id"], body={"label": "新名", "scoreMaximum": 50}, content=LINEITEM)
    assert changed.json == {"id": item["id"], "label": "新名", "scoreMaximum": 50, "resourceId": "", "tag": ""}
    assert caller.call("DELETE", item["id"]).status_code == 204
    for method in ("GET", "DELETE"):
        assert caller.call(method, item["id"]).status_code == 404
    assert caller.score(item).status_code == 404


def test_line_items_of_another_course_are_not_there(caller: Caller) -> None:
    item = caller.create(course="2")
    assert caller.call("GET", item["id"].replace("/ags/2/", "/ags/1/")).status_code == 404
    assert caller.call("GET", "/ags/9/lineitems").status_code == 404


def test_filters(caller: Caller) -> None:
    hours = caller.create()
    points = caller.create(tag="nengli:1:points", resourceId="nengli:1:points")
    linked = caller.create(tag="", resourceId="", resourceLinkId="101")

    def found(query: str) -> list[str]:
        return [item["id"] for item in caller.call("GET", "/ags/1/lineitems?" + query, accept=LINEITEMS).json]

    assert found("tag=nengli:1:points") == [points["id"]]
    assert found("resource_id=nengli:1:hours") == [hours["id"]]
    assert linked["id"] in found("resource_link_id=101")
    assert found("tag=nengli:1:points&resource_id=nengli:1:hours") == []
    assert len(found("type_id=1")) == 4


@pytest.mark.parametrize("accept", ["application/json", "*/*", LINEITEMS + ", application/json", LINEITEMS + ";q=1"])
def test_accept_must_be_one_media_type(caller: Caller, accept: str) -> None:
    answer = caller.call("GET", "/ags/1/lineitems", accept=accept)
    assert answer.status_code == 400
    assert answer.json["status"] == 400
    assert answer.json["reason"].startswith("No handler found for /ags/1/lineitems")


def test_accept_elsewhere(caller: Caller) -> None:
    item = caller.create()
    for url in (item["id"], item["id"].replace("/lineitem?", "/lineitem/results?"), "/nrps/1/memberships"):
        assert caller.call("GET", url, accept="*/*").status_code == 200
        assert caller.call("GET", url, accept="application/json").status_code == 400


@pytest.mark.parametrize("content", ["application/json", SCORE, None])
def test_line_item_content_type(caller: Caller, content: str | None) -> None:
    body = {"label": "x", "scoreMaximum": 1}
    assert caller.call("POST", "/ags/1/lineitems", body=body, content=content).status_code == 400
    item = caller.create()
    assert caller.call("PUT", item["id"], body=body, content=content).status_code == 400
    assert caller.call("PUT", item["id"], body=body, content=LINEITEM + "; charset=utf-8").status_code == 200


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"label": None}, 400),
        ({"label": "  "}, 400),
        ({"label": "长" * 256}, 400),
        ({"tag": "x" * 256}, 400),
        ({"resourceId": "x" * 513}, 400),
        ({"resourceId": {"a": 1}}, 400),
        ({"scoreMaximum": None}, 400),
        ({"scoreMaximum": 0}, 400),
        ({"scoreMaximum": -1}, 400),
        ({"scoreMaximum": "many"}, 400),
        ({"scoreMaximum": True}, 400),
        ({"resourceLinkId": "201"}, 403),
        ({"label": "长" * 255, "tag": "x" * 255, "resourceId": "x" * 512}, 201),
        ({"scoreMaximum": 12.5}, 201),
    ],
)
def test_line_item_fields(caller: Caller, changes: dict[str, Any], status: int) -> None:
    body = {"label": "x", "scoreMaximum": 10, **changes}
    assert caller.call("POST", "/ags/1/lineitems", body=body, content=LINEITEM).status_code == status


def test_score_success_is_an_empty_200(caller: Caller) -> None:
    item = caller.create()
    answer = caller.score(item, comment="通过")
    assert (answer.status_code, answer.data) == (200, b"")
    assert results(caller, item) == [
        {
            "id": item["id"] + "&user_id=11",
            "userId": "11",
            "scoreOf": item["id"],
            "resultScore": 10,
            "resultMaximum": 25,
            "timestamp": "2026-05-01T08:00:00+00:00",
            "comment": "通过",
        }
    ]
    assert results(caller, item, "&user_id=12") == []


@pytest.mark.parametrize("content", ["application/json", LINEITEM, None, SCORE + "x"])
def test_score_content_type_is_strict(caller: Caller, content: str | None) -> None:
    url = caller.create()["id"].replace("/lineitem?", "/lineitem/scores?")
    body = '{"userId": "11"}'
    assert caller.call("POST", url, body=body, content=content).status_code == 400


@pytest.mark.parametrize("sub", ["21", "22", "31", "99", "wang-xiulan"])
def test_only_learners_can_be_graded(caller: Caller, sub: str) -> None:
    answer = caller.score(caller.create(), userId=sub)
    assert answer.status_code == 400
    assert answer.json == []
    assert "only learners" in answer.status


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"userId": None}, 400),
        ({"timestamp": None}, 400),
        ({"activityProgress": None}, 400),
        ({"gradingProgress": None}, 400),
        ({"timestamp": 1_777_000_000}, 400),
        ({"timestamp": "yesterday"}, 400),
        ({"timestamp": "2026-05-01T08:00:00"}, 400),
        ({"timestamp": "2026-05-01"}, 400),
        ({"scoreMaximum": None}, 400),
        ({"scoreMaximum": 0}, 400),
        ({"scoreGiven": "ten"}, 400),
        ({"scoreGiven": float("nan")}, 400),
        ({"userId": 11}, 200),
        ({"scoreGiven": "10"}, 200),
        ({"timestamp": "2026-05-01T16:00:00.250+08:00"}, 200),
        ({"extra": {"a": 1}, "submission": {}}, 200),
        ({"comment": "长" * 20_000}, 200),
    ],
)
def test_score_fields(caller: Caller, changes: dict[str, Any], status: int) -> None:
    assert caller.score(caller.create(), **changes).status_code == status


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("2026-05-01T08:00:00Z", "2026-05-01T08:00:00Z", 409),
        ("2026-05-01T08:00:00Z", "2026-05-01T08:00:00.900Z", 409),
        ("2026-05-01T08:00:00.900Z", "2026-05-01T08:00:01Z", 200),
        ("2026-05-01T08:00:00Z", "2026-05-01T16:00:00+08:00", 409),
        ("2026-05-01T08:00:00Z", "2020-01-01T00:00:00Z", 409),
        ("2099-01-01T00:00:00Z", "2026-05-01T08:00:00Z", 409),
    ],
)
def test_timestamp_must_be_later_in_whole_seconds(caller: Caller, first: str, second: str, status: int) -> None:
    item = caller.create()
    assert caller.score(item, timestamp=first).status_code == 200
    assert caller.score(item, timestamp=second, scoreGiven=11).status_code == status
    assert results(caller, item)[0]["resultScore"] == (11 if status == 200 else 10)
    assert caller.score(item, timestamp=second, userId="12").status_code == 200  # each person on their own


@pytest.mark.parametrize("progress", ["Pending", "PendingManual", "NotReady", "Failed"])
def test_only_fully_graded_is_a_grade(caller: Caller, progress: str) -> None:
    item = caller.create()
    caller.score(item)
    later = "2026-05-01T08:00:01Z"
    assert caller.score(item, timestamp=later, gradingProgress=progress, scoreGiven=20).status_code == 200
    assert "resultScore" not in results(caller, item)[0]
    # the host stamped it with its own clock, so that a score timed before that is too old
    assert caller.score(item, timestamp="2026-05-01T08:00:02Z").status_code == 409
    assert caller.score(item, timestamp="2099-01-01T00:00:00Z").status_code == 200


def test_scaling_and_clamping(caller: Caller) -> None:
    item = caller.create(scoreMaximum=20)
    for sub, given_, maximum, stored in (("11", 80, 100, 16), ("12", 30, 20, 20), ("13", -3, 20, 0), ("14", 0, 20, 0)):
        assert caller.score(item, userId=sub, scoreGiven=given_, scoreMaximum=maximum).status_code == 200
        assert results(caller, item, f"&user_id={sub}")[0]["resultScore"] == stored
    caller.call("PUT", item["id"], body={"label": "x", "scoreMaximum": 40}, content=LINEITEM)
    assert results(caller, item, "&user_id=11")[0]["resultScore"] == 32


def test_members(caller: Caller) -> None:
    body = caller.call("GET", "/nrps/1/memberships", accept=MEMBERS).json
    assert body["context"] == {"id": "1", "label": "LX-2026", "title": "信息技术应用能力提升工程2.0（练习）"}
    members = {member["user_id"]: member for member in body["members"]}
    assert len(members) == 10  # the administrator is not enrolled
    assert members["11"]["name"] == "王秀兰"
    assert members["11"]["roles"] == ["Learner"]
    assert members["21"]["roles"] == ["Instructor"]
    assert set(members["14"]) == {"status", "roles", "user_id", "lis_person_sourcedid"}


@pytest.mark.parametrize(
    ("role", "count"),
    [
        ("Learner", 8),
        ("Instructor", 2),
        (MEMBERSHIP.replace("#", "%23") + "Learner", 8),
        ("Odd", 10),
    ],
)
def test_members_by_role(caller: Caller, role: str, count: int) -> None:
    assert len(caller.call("GET", f"/nrps/1/memberships?role={role}").json["members"]) == count
    first = caller.call("GET", f"/nrps/1/memberships?role={role}&limit=1")
    assert "role=" in first.headers["Link"]


def test_outage(caller: Caller, lms: Flask) -> None:
    item = caller.create()
    client = lms.test_client()
    assert client.post("/practice/outage", json={"down": "yes"}).status_code == 400
    assert client.post("/practice/outage", data={"down": "true"}).status_code == 400
    assert client.post("/practice/outage", json={"down": True}).json == {"down": True}
    assert caller.score(item).status_code == 503
    assert caller.ask().status_code == 503
    assert caller.call("GET", "/ags/1/lineitems").status_code == 503
    assert caller.call("GET", "/nrps/1/memberships").status_code == 503
    assert client.get("/jwks").status_code == client.get("/").status_code == 200
    assert client.post("/practice/outage", json={"down": False}).json == {"down": False}
    assert caller.score(item).status_code == 200
    assert client.get("/practice/scores.json?course=1").json["count"] == 1


def test_scores_page_counts_every_arrival(caller: Caller, lms: Flask) -> None:
    item = caller.create()
    caller.score(item)
    caller.score(item)
    caller.score(item, userId="21")
    assert caller.score(item, scope=AGS + "lineitem").status_code == 401
    seen = lms.test_client().get("/practice/scores.json?course=1").json
    assert seen["count"] == 3
    assert [row["status"] for row in seen["arrivals"]] == [200, 409, 400]
    assert [(g["sub"], g["score"], g["tag"]) for g in seen["grades"]] == [("11", 10, "nengli:1:hours")]
    assert lms.test_client().get("/practice/scores.json?course=9").status_code == 404


def test_same_score_from_many_threads_counts_once(caller: Caller, lms: Flask) -> None:
    item = caller.create()
    token = caller.token()
    seen: list[int] = []

    def post() -> None:
        other = Caller(lms, caller.tool)
        other._tokens = {next(iter(caller._tokens)): token}
        seen.append(other.score(item).status_code)

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [200] + [409] * 7


@given(st.lists(st.integers(), max_size=30), st.integers(min_value=1, max_value=9))
def test_pages_hold_every_row_once(rows: list[int], limit: int) -> None:
    seen: list[int] = []
    page = 1
    while True:
        part = page_of(rows, page, limit)
        seen += part["content"]
        assert len(part["content"]) <= limit
        if not part["has_next"]:
            break
        page += 1
    assert seen == rows
    assert page_of(rows, page + 1, limit)["content"] == []
