"""A round made by a settings file: what its teachers may choose and must reach, and that every rule is told."""

from typing import Any

import pytest
from flask import Flask
from sqlmodel import select

import competencies
from competencies import Rules
from lms_plugin.db import pk
from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow import curate, curate_views, enter, submit, submit_views
from lms_plugin.web import programme_form, programme_words, province_words
from tests import people as cast
from tests.factories import Browser, World
from tests.flow.earned import earn
from tests.web.test_curate import form

# Another value for each setting, so that no setting can be left out of what teachers are told.
OTHERS: dict[str, Any] = {
    "choice.only": ["blended", "A3"],
    "concerns": ["principal"],
    "categories": [{"category": "coach", "required_points": 2}],
    "choice.required_points": 4,
    "choice.environment_rule": "free",
    "choice.change_until": "decided",
    "choice.compulsory": ["A3"],
    "choice.not_offered": ["A12"],
    "choice.points_in_paper": 29,
    "files.not_taken": ["doc"],
    "appeals.panel": "trainer",
    "review.pool": "district",
    "review.subjects": "same",
    "review.stages": "other",
    "review.course_groups": "only",
    "review.score": "median",
    "review.returned_to": "peers",
    "review.calibration": "mixed",
    "review.blind": "single",
    "review.duty": "hold",
    "hours.kind": "per_level",
    "hours.excellent_hundredths": 9_00,
    "result.excellent_points": 1,
    "cohorts": [{"year": 2026, "percent": 100}],
    "chain.shown_to": "public",
    "chain.days_off": ["2026-10-01"],
    "chain.workdays": ["2026-10-10"],
}
NEEDED = {  # a setting that says something only beside another one
    "review.calibration_items": {"review": {"calibration": "mixed"}},
    "review.exclude_own_group": {"review": {"pool": "district"}},
    "review.exclude_former_colleagues": {"review": {"pool": "district", "exclude_own_school": True}},
    **{f"appeals.{name}": {"appeals": {"days": 7}} for name in ("answer_days", "panel", "may_fall")},
    "hours.pass_hundredths": {"hours": {"kind": "per_level"}},
    "hours.excellent_hundredths": {"hours": {"kind": "per_level"}},
    "chain.excellent_cap_percent": {"chain": {"check": True}},
    "chain.check_percent": {"chain": {"check": True}},
    "chain.city_percent": {"chain": {"check": True}},
    "chain.province_percent": {"chain": {"check": True}},
    "chain.check_excellent": {"chain": {"check": True}},
    **{
        f"chain.{name}": {"chain": {"publicity": True}}
        for name in ("publicity_days", "shown_to", "mask_names", "days_off", "workdays")
    },
}


def with_setting(place: str, value: Any, beside: dict[str, Any]) -> Rules:
    part, _, name = place.rpartition(".")
    found: dict[str, Any] = {key: dict(inner) for key, inner in beside.items()}
    if part:
        found.setdefault(part, {})[name] = value
    else:
        found[name] = value
    return Rules.model_validate(found)


def told(world: World, rules: Rules) -> list[tuple[str, str]]:
    competencies.set_rules(world.session, world.programme, rules, None, world.now)
    view = curate_views.programme(world.session, world.actor(cast.OFFICER), world.programme.uuid, world.now)
    return programme_words.teacher_words(view)


@pytest.mark.parametrize("language", ["zh-Hans", "en"])
def test_every_setting_is_told_to_teachers_and_has_a_name(tool: Flask, world: World, language: str) -> None:
    with tool.test_request_context(headers={"Accept-Language": language}):
        names = province_words.labels()
        for place, value in dict(province_words.settings_of(Rules())).items():
            assert place in names, place
            beside = NEEDED.get(place, {})
            other = OTHERS.get(place, (not value) if isinstance(value, bool) else 1 if value != 1 else 2)
            plain = told(world, Rules.model_validate(beside))
            assert told(world, with_setting(place, other, beside)) != plain, place


@pytest.fixture
def made(browse: Any, world: World) -> Any:
    """Makes a round by a file, on the pages, and gives it."""

    def make(code: str, **changes: str) -> competencies.Programme:
        officer: Browser = browse(cast.OFFICER)
        assert officer.get(f"/curate/programmes/new?settings={code}").status_code == 200
        rules = competencies.provinces.load(code).rules()
        today = world.now.date()
        typed = {**form(world), **programme_form.first_values(today, rules), "title": code, "unit": world.county.uuid}
        typed |= {"framework_version": world.framework.uuid, "opens_on": today.isoformat(), **changes}
        flags = {name: "1" if typed[name] else "" for name in programme_form.FLAGS}
        answer = officer.post("/curate/programmes/new", {**typed, **flags})
        assert answer.status_code == 303, answer.text
        world.session.expire_all()
        return world.session.exec(select(competencies.Programme).where(competencies.Programme.title == code)).one()

    return make


def begin(world: World, programme: competencies.Programme) -> None:
    """Opens it, and moves the course's people there."""
    opened = curate.set_state(
        world.session, world.actor(cast.OFFICER), programme.uuid, competencies.ProgrammeState.OPEN, world.now
    )
    assert opened.state is competencies.ProgrammeState.OPEN
    enter.enrol(world.session, pk(programme), pk(world.person(cast.CHEN)), world.now)
    world.programme = programme


def choose(world: World, *codes: str) -> None:
    submit.choose_points(world.session, world.actor(cast.CHEN), world.programme.uuid, codes, world.now)


@pytest.mark.parametrize(("code", "online", "practice"), [("hunan", 25, 25), ("hebei", 25, 25), ("sichuan", 20, 30)])
def test_what_is_chosen_and_reached_by_each_file(
    made: Any, world: World, code: str, online: int, practice: int
) -> None:
    begin(world, made(code))
    with pytest.raises(Invalid):
        choose(world, "A5", "A6", "A7")  # one dimension
    choose(world, "A3", "A5", "A12")  # three, of two dimensions and more; each of the 30
    home = submit_views.home(world.session, world.actor(cast.CHEN), world.programme.uuid, world.now)
    assert (home.online_need_hundredths, home.practice_need_hundredths) == (online * 100, practice * 100)
    earn(world, cast.CHEN, "A3", "A5", "A12")
    home = submit_views.home(world.session, world.actor(cast.CHEN), world.programme.uuid, world.now)
    assert home.practice_hundredths == 25_00  # in Sichuan five hours of practice are still to be earned elsewhere


def test_henan_begins_only_when_the_dropped_point_is_named(browse: Any, made: Any, world: World) -> None:
    programme = made("henan")
    officer, url = browse(cast.OFFICER), f"/curate/programmes/{programme.uuid}"
    page = officer.get(url).text
    assert "还不能开始：能力点和本地文件对不上" in page
    assert "开始这个项目" not in page
    for words in ("依据：河南的公开资料", "少的是哪一个没有查到", "hn.southteacher.com", "没有查到出处、用默认值的"):
        assert words in page, words
    with pytest.raises(Refused, match=r"programme\.points_unnamed"):
        begin(world, programme)
    assert officer.post(f"{url}/state", {"state": "open"}).status_code == 422
    edit = officer.get(f"{url}/edit").text  # where the page leads to: the part with the field is open, and no other
    assert edit.count('<details class="more part" open>') == 1
    assert '<details class="more part" open><summary><b>选能力点' in edit
    world.session.rollback()
    view = curate_views.programme(world.session, world.actor(cast.OFFICER), programme.uuid, world.now)
    typed = {**programme_form.values_of(view), "not_offered": "a12", "version": view.version}
    flags = {name: "1" if typed[name] else "" for name in programme_form.FLAGS}
    assert officer.post(f"{url}/edit", {**typed, **flags}).status_code == 303
    world.session.expire_all()
    begin(world, programme)
    with pytest.raises(Invalid) as wrong:
        choose(world, "A3", "A5", "A12")
    assert wrong.value.fields["point"][0] == "choice.not_offered"
    choose(world, "A3", "A5", "A11")
    world.session.commit()
    page = browse(cast.CHEN).get(f"/programmes/{programme.uuid}/points").text
    assert 'value="A11"' in page
    assert 'value="A12"' not in page
    typed |= {"not_offered": "", "version": programme.version}
    refused = officer.post(f"{url}/edit", {**typed, **flags})
    assert refused.status_code == 422
    assert "本地文件列出 29 个能力点，这个项目现在有 30 个" in refused.text


def test_the_form_says_what_the_file_says(browse: Any, world: World) -> None:
    officer = browse(cast.OFFICER)
    page = officer.get("/curate/programmes/new?settings=sichuan").text
    assert 'name="practice_need" type="text" value="30"' in page
    assert 'name="online_need" type="text" value="20"' in page
    assert "三年 50 学时，其中网络研修不少于 20。" in page
    page = officer.get("/curate/programmes/new?settings=hunan").text
    assert "没有查到一条规则的出处，全部用默认值。" in page
    assert officer.get("/curate/programmes/new?settings=mars").status_code == 404
    wrong = officer.post("/curate/programmes/new", form(world, settings="x" * 200, title=""))
    assert wrong.status_code == 422
    both = officer.post("/curate/programmes/new", form(world, not_offered="A3，Z9"))
    assert "A3 既写在必选里，又写在本地文件没有的里" in both.text
