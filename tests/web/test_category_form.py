"""面向哪些人、分类要求 in the form of a round: what was typed is what is kept, and what is shown again."""

from copy import deepcopy
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

import competencies
from competencies import Category, Programme, Rules
from lms_plugin.flow import curate_views
from lms_plugin.web import category_form, programme_form
from tests import people as cast
from tests.factories import World
from tests.rosters import put_on_roster
from tests.web.test_curate import form

NUMBER = st.none() | st.integers(1, 4)
HUNDREDTHS = st.none() | st.integers(0, 100_000)
OWN = st.builds(
    competencies.rules.CategoryRule,
    category=st.sampled_from(Category),
    required_points=st.none() | st.integers(4, 30),
    min_dimensions=NUMBER,
    only=st.lists(st.sampled_from(["A3", "B10", "blended", "smart", "assessment", "learner_analysis"]), unique=True),
    practice_need_hundredths=HUNDREDTHS,
    online_need_hundredths=HUNDREDTHS,
    target=st.none() | st.integers(1, 1_000_000),
).filter(lambda own: own != competencies.rules.CategoryRule(category=own.category))


@pytest.mark.parametrize("language", ["zh-Hans", "en"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    concerns=st.lists(st.sampled_from(Category), unique=True, max_size=4),
    owns=st.lists(OWN, unique_by=lambda own: own.category),
)
def test_what_is_shown_is_what_is_kept(
    tool: Flask, language: str, concerns: list[Category], owns: list[competencies.rules.CategoryRule]
) -> None:
    order = list(Category)
    rules = Rules(
        concerns=tuple(sorted(concerns, key=order.index)),
        categories=tuple(sorted(owns, key=lambda own: order.index(own.category))),
        choice={"required_points": 4},  # type: ignore[arg-type]
    )
    wrong: dict[str, Any] = {}
    with tool.test_request_context(headers={"Accept-Language": language}):
        assert category_form.parse(category_form.values_of(rules), 4, wrong) == (rules.concerns, rules.categories)
    assert not wrong


@pytest.mark.parametrize(
    ("typed", "codes"),
    [
        ("XM-1、xm-2", ("XM-1", "xm-2")),  # codes of one's own stay as they are
        ("smart-1 assessment2、教学设计能力 smart", ("smart-1", "assessment2", "教学设计能力", "smart")),
        ("混合学习环境、学业评价，a3 B1", ("blended", "assessment", "A3", "B1")),
        ("智慧；混合 环境", ("smart", "blended", "环境")),
        ("Academic assessment, blended", ("assessment", "blended")),
        ("", ()),
    ],
)
def test_a_range_is_typed_by_names_or_codes(typed: str, codes: tuple[str, ...]) -> None:
    assert category_form.typed_range(typed) == codes


def test_an_officer_says_whom_a_round_is_for_and_it_is_told(browse: Any, world: World) -> None:
    officer = browse(cast.OFFICER)
    entry = put_on_roster(world, cast.CHEN)
    world.session.commit()
    said = {"for_principal": "1", "for_teacher": "1", "points_principal": "1", "only_principal": "混合学习环境、Z9"}
    values = form(world, title="校长项目", compulsory="", **said)
    refused = officer.post("/curate/programmes/new", values)
    assert refused.status_code == 422
    assert "这个标准里没有：Z9" in refused.text
    values["only_principal"] = "混合学习环境、A3"
    assert officer.post("/curate/programmes/new", values).status_code == 303
    made = world.session.exec(select(Programme).order_by(col(Programme.id).desc())).first()
    assert made is not None
    page = officer.get(f"/curate/programmes/{made.uuid}").text
    assert "面向：教师、校长" in page
    assert "只面向教师、校长。" in page
    # Fewer points than the dimensions that everybody needs are of no more dimensions than there are points.
    assert "校长：选 1 个能力点；只能选混合学习环境、A3里的。" in page
    view = curate_views.programme(world.session, world.actor(cast.OFFICER), made.uuid, world.now)
    copied = programme_form.values_like(view, made.opens_on)
    assert (copied["for_principal"], copied["for_coach"], copied["points_principal"]) == (True, False, 1)

    url = f"/roster/entry/{entry.uuid}"
    assert officer.post(f"{url}/about", {"category": "chief"}).status_code == 422
    assert (
        officer.post(f"{url}/about", {"category": "backbone", "environment": ["smart", "blended"]}).status_code == 303
    )
    world.session.refresh(entry)
    assert (entry.category, entry.environment) == (Category.BACKBONE, "blended smart")
    world.set_rules(concerns=["principal"])
    world.session.commit()
    home = browse(cast.CHEN).get(f"/programmes/{world.programme.uuid}").text
    assert "这个项目面向校长，您不用参加。" in home
    assert "您在名单上是骨干教师。" in home
    assert "骨干教师" in officer.get("/roster").text


def test_a_standard_of_ones_own_is_written_and_told_by_its_own_names(browse: Any, world: World) -> None:
    content = deepcopy(world.framework.content)
    room = content["framework"]["environments"][0]
    room |= {"zh": "普通教室", "en": "Plain class room"}
    content["points"][0]["code"] = "XM-1"
    world.framework.content = content
    world.session.add(world.framework)
    world.session.commit()
    officer = browse(cast.OFFICER)
    typed = form(world, title="本地标准", compulsory="xm-1", only="普通教室、xm-1", only_coach="XM-1、c4、普通教室")
    answer = officer.post("/curate/programmes/new", typed)
    assert answer.status_code == 303
    page = officer.get(answer.headers["Location"]).text
    assert "只能从这些里选：普通教室、XM-1。" in page
    assert "必选：XM-1。" in page
    assert "培训者：只能选XM-1、C4、普通教室里的。" in page
