"""Weights of criteria: written on the form of a standard that is not 2.0's, shown to who marks and who is marked."""

from copy import deepcopy
from datetime import timedelta

import pytest
from sqlmodel import select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.flow import award, cases, curate
from tests import people as cast
from tests.flow.handed_in import all_marks, hand_in, judgement
from tests.web.test_editing import begin, drafts, fields

ITEM = "points/A5/items/clip"


def own(browse, world):
    """A draft of the district's own, whose criteria may be weighed."""
    values = {"how": "own", "base": world.framework.uuid, "title_zh": "本县标准", "title_en": "", "code": "local-1"}
    officer, url = begin(browse, world, **values)
    form = fields(officer.get(f"{url}/head").text)
    assert form["rule"] == "minimum"
    assert officer.post(f"{url}/head", {**form, "rule": "weighted"}).status_code == 303
    return officer, url


def weights_of(draft, code="A5", key="clip"):
    point = competencies.editing.point_of(draft.content, code)
    return [one.get("weight") for one in competencies.editing.item_of(point, key)["criteria"]]


def test_each_criterion_of_an_item_has_a_weight_or_none(browse, world):
    officer, url = own(browse, world)
    form = fields(officer.get(f"{url}/{ITEM}").text)
    boxes = [name for name in form if name.endswith(".weight")]
    rows = boxes[:-1]  # the last is that of an empty row
    assert len(rows) >= 2
    assert all(not form[name] for name in boxes)
    some = officer.post(f"{url}/{ITEM}", {**form, rows[0]: "3"})
    assert some.status_code == 422
    assert some.text.count("有的标准填了权重，有的没有") == len(rows) - 1
    for wrong in ("0", "101", "1.5", "很多", "-1"):
        told = officer.post(f"{url}/{ITEM}", {**form, **dict.fromkeys(rows, "1"), rows[0]: wrong})
        assert (told.status_code, "1 到 100" in told.text) == (422, True)
        assert f'value="{wrong}"' in told.text
    assert officer.post(f"{url}/{ITEM}", {**form, **dict.fromkeys(rows, "1"), rows[0]: "３"}).status_code == 303
    assert weights_of(drafts(world)[0]) == [3] + [1] * (len(rows) - 1)
    assert "权重 3" in officer.get(f"{url}?point=A5").text


def test_who_goes_back_to_the_lowest_leaves_weights_behind(browse, world):
    officer, url = own(browse, world)
    form = fields(officer.get(f"{url}/{ITEM}").text)
    rows = [name for name in form if name.endswith(".weight")][:-1]
    officer.post(f"{url}/{ITEM}", {**form, **dict.fromkeys(rows, "2")})
    head = fields(officer.get(f"{url}/head").text)
    assert head["rule"] == "weighted"
    assert officer.post(f"{url}/head", {**head, "rule": "nothing"}).status_code == 422
    assert officer.post(f"{url}/head", {**head, "rule": "minimum"}).status_code == 303
    assert set(weights_of(drafts(world)[0])) == {None}
    assert not [name for name in fields(officer.get(f"{url}/{ITEM}").text) if name.endswith(".weight")]


def test_the_norm_of_2_0_is_a_minimum_whatever_is_sent(browse, world):
    officer, url = begin(browse, world)
    head = fields(officer.get(f"{url}/head").text)
    assert "rule" not in head
    assert officer.post(f"{url}/head", {**head, "rule": "weighted"}).status_code == 422
    form = fields(officer.get(f"{url}/{ITEM}").text)
    assert not [name for name in form if name.endswith(".weight")]
    rows = {f"c.{key}.weight": "2" for key in form["c"][:-1]}
    assert officer.post(f"{url}/{ITEM}", {**form, **rows}).status_code == 422
    assert set(weights_of(drafts(world)[0])) == {None}


@pytest.fixture
def weighed(world):
    """The programme follows a standard whose first criterion of one item counts three times as much as the others."""
    content = competencies.editing.of_its_own(world.framework.content, "local-2", {"zh": "本县标准"})
    content = deepcopy(content)
    content["framework"]["scoring"] = {**content["framework"].get("scoring", {}), "rule": "weighted"}
    item = competencies.editing.item_of(competencies.editing.point_of(content, "A5"), "clip")
    for number, one in enumerate(item["criteria"]):
        one["weight"] = 1 if number else 3 * (len(item["criteria"]) - 1)
    for point in content["points"]:
        if point["code"] == "A5":
            point["evidence"] = [item if one["key"] == "clip" else one for one in point["evidence"]]
    version = competencies.draft_from_pack(world.session, pk(world.tenant), competencies.load_pack(content), world.now)
    curate.publish(world.session, version, None, world.now, under_banner=True)
    world.framework = version
    world.programme.framework_version_id = pk(version)
    world.session.add(world.programme)
    world.session.commit()
    return [one["key"] for one in item["criteria"]]


def test_shares_are_seen_by_who_marks_and_who_is_marked_and_make_the_level(browse, world, weighed):
    work = hand_in(world, cast.CHEN, "A5", world.now - timedelta(hours=2))
    # All that counts little is not yet met; what counts most is excellent: 0.75 × 2 = 1.5.
    low = {f"clip.{key}": 0 for key in weighed[1:]}
    marks = judgement(all_marks(world, work, 1, changes={**low, f"clip.{weighed[0]}": 2}))
    trainer = browse(cast.TRAINER)
    world.session.commit()
    assert trainer.get(f"/cases/{work.uuid}").text.count("占这项材料的 75%") == 1
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 1, world.now)
    award.release(world.session, world.actor(cast.OFFICER), world.programme, [work.uuid], world.now)
    world.session.commit()
    decision = world.session.exec(
        select(competencies.Decision).where(competencies.Decision.submission_id == pk(work))
    ).one()
    assert decision.point_level == competencies.Level.PASS  # the other items are a pass
    author = browse(cast.CHEN)
    told = author.get(f"/submissions/{work.uuid}/result").text
    assert "占这项材料的 75%" in told
    assert "满 1.5 是优秀" in told
    assert "取它各条指标里最低的等级" not in told
    assert "占这项材料的 75%" in author.get(f"/submissions/{work.uuid}").text


def test_shares_are_percents_of_the_item():
    lines = rubrics.criteria_from(
        [
            {"key": key, "weight": weight, "levels": {"pass": {"zh": "做到"}, "excellent": {"zh": "做好"}}}
            for key, weight in (("a", 3), ("b", 1))
        ]
    )
    assert rubrics.shares(lines) == {"a": 75, "b": 25}
    assert rubrics.shares([]) == {}
