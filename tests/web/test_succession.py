"""新旧对照 and 换用新版: a round goes over; what was handed in stays, nobody loses or doubles a point."""

from datetime import timedelta

import pytest
from sqlmodel import col, select

import competencies
from competencies import editing
from lms_plugin.db import pk
from lms_plugin.flow import curate, succession
from lms_plugin.flow import editing as drafts
from tests import people as cast
from tests.flow.handed_in import TEXT, hand_in


def next_version(world, *changes):
    """The next version, published; `changes` of its content, then what became of points by 新旧对照."""
    actor = world.actor(cast.OFFICER)
    before = world.framework
    draft = drafts.begin_next(world.session, actor, before.uuid, world.now)
    content = draft.content
    for change in changes:
        content = change(content)
    editing.keep_draft(world.session, draft, content)
    curate.publish(world.session, draft, pk(world.person(cast.OFFICER)), world.now, under_banner=True)
    world.session.commit()
    return draft


def called(code, to):
    return lambda content: editing.put_point(
        content, code, {**editing.own_words(editing.point_of(content, code)), "code": to}
    )


def without(code):
    return lambda content: editing.drop_point(content, code)


def choose(world, who, *codes):
    """The person chooses these, one after the other."""
    works = competencies.select_points(
        world.session, world.programme, [pk(world.person(who))], [world.point(code) for code in codes], world.now
    )
    world.session.commit()
    return works


def held(world, who):
    """{code: number of the version} of what somebody has chosen."""
    world.session.expire_all()
    rows = world.session.exec(
        select(competencies.CompetencyPoint.code, competencies.FrameworkVersion.number)
        .join(competencies.Selection, col(competencies.Selection.point_id) == col(competencies.CompetencyPoint.id))
        .join(
            competencies.FrameworkVersion,
            col(competencies.FrameworkVersion.id) == col(competencies.CompetencyPoint.framework_version_id),
        )
        .where(
            competencies.Selection.programme_id == pk(world.programme),
            competencies.Selection.person_id == pk(world.person(who)),
            col(competencies.Selection.dropped_at).is_(None),
        )
        .order_by(col(competencies.CompetencyPoint.code))
    ).all()
    assert len(rows) == len(set(rows))
    return dict(rows)


def decide(browse, version, since, **points):
    officer = browse(cast.OFFICER)
    url = f"/curate/frameworks/{version.uuid}/succession"
    page = officer.get(url).text
    seen = page.partition('name="version" value="')[2].partition('"')[0]
    return officer.post(
        f"{url}?since={since.uuid}", {"version": seen, **{f"p.{code}": to for code, to in points.items()}}
    )


def go_over(browse, world, target, **more):
    officer = browse(cast.OFFICER)
    world.session.expire_all()
    return officer.post(
        f"/curate/programmes/{world.programme.uuid}/move",
        {"to": target.uuid, "version": world.programme.version, **more},
    )


def test_open_choices_go_along_and_what_was_handed_in_stays(browse, world):
    hand_in(world, cast.WANG, "A3", world.now - timedelta(hours=2), TEXT)
    hand_in(world, cast.LI, "A5", world.now - timedelta(hours=2), TEXT)
    choose(world, cast.WANG, "A3", "A7", "A9")
    choose(world, cast.LI, "A5", "A6", "B1")
    choose(world, cast.SUN, "A5", "A6", "A1")
    text = competencies.Evidence(
        submission_id=pk(
            world.session.exec(
                select(competencies.Submission).where(
                    competencies.Submission.person_id == pk(world.person(cast.SUN)),
                    competencies.Submission.point_id == pk(world.point("A1")),
                )
            ).one()
        ),
        requirement_id=world.session.exec(
            select(competencies.EvidenceRequirement.id).where(
                competencies.EvidenceRequirement.point_id == pk(world.point("A1")),
                competencies.EvidenceRequirement.key == "plan",
            )
        ).one(),
        kind="text",
        text=TEXT,
        changed_at=world.now,
    )
    world.session.add(text)
    world.session.commit()
    version = next_version(world, called("A7", "A7x"), without("A9"), without("A5"))
    officer = browse(cast.OFFICER)
    url = f"/curate/programmes/{world.programme.uuid}/move"
    page = officer.get(url).text
    assert "还有 3 个能力点没有写明" in page
    refused = go_over(browse, world, version)
    assert (refused.status_code, "请先在新旧对照里写明" in refused.text) == (422, True)
    assert decide(browse, version, world.framework, A7="A7x", A9="-", A5="A6").status_code == 303

    page = officer.get(url).text
    assert "· 第 2 版" in page
    before = held(world, cast.SUN)
    assert set(before.values()) == {1}  # looking changes nothing
    stale = go_over(browse, world, version, version=0)
    assert stale.status_code == 409
    for _click in range(2):
        assert go_over(browse, world, version).status_code == 303
    assert held(world, cast.WANG) == {"A3": 1, "A7x": 2}  # A9 is no more
    assert held(world, cast.LI) == {"A5": 1, "B1": 2}  # A6 is what A5, handed in, became
    assert held(world, cast.SUN) == {"A1": 2, "A6": 2}  # two became one
    world.session.refresh(text)
    place = world.session.get(competencies.EvidenceRequirement, text.requirement_id)
    point = world.session.get(competencies.CompetencyPoint, place.point_id)
    assert (place.key, point.code, point.framework_version_id) == ("plan", "A1", pk(version))
    events = world.session.exec(
        select(competencies.ProgrammeEvent).where(competencies.ProgrammeEvent.kind == competencies.succession.MOVED)
    ).all()
    assert [(one.details["moves"], one.details["stays"], one.details["people"]) for one in events] == [(4, 2, 3)]
    assert (
        "4 个选点跟着走，2 个留在原来那一版，3 人要另选"
        in officer.get(f"/curate/programmes/{world.programme.uuid}").text
    )

    told = browse(cast.WANG).get(f"/programmes/{world.programme.uuid}/points").text
    assert "您原来选的 A9" in told
    assert "新版里没有了" in told
    assert "A5 技术支持的课堂导入 并进了 A6" in browse(cast.SUN).get(f"/programmes/{world.programme.uuid}/points").text
    assert "还要选 1 个" in browse(cast.WANG).get(f"/programmes/{world.programme.uuid}").text


def test_who_began_with_an_older_version_chooses_on_without_doubling_it(browse, world):
    hand_in(world, cast.WANG, "A3", world.now - timedelta(hours=2), TEXT)
    choose(world, cast.WANG, "A3", "A9")
    version = next_version(world, without("A9"), called("A4", "A4x"))
    decide(browse, version, world.framework, A9="-", A4="A4x")
    assert go_over(browse, world, version).status_code == 303
    wang, url = browse(cast.WANG), f"/programmes/{world.programme.uuid}/points"
    assert wang.get(url).text.count('value="A3"') == 1 + wang.get(url).text.count('name="pick" value="A3"')
    assert wang.post(url, {"point": ["A3", "A4x", "B1"]}).status_code == 303
    assert held(world, cast.WANG) == {"A3": 1, "A4x": 2, "B1": 2}
    assert wang.post(url, {"point": ["A3", "A4x", "B1"]}).status_code == 303
    assert held(world, cast.WANG) == {"A3": 1, "A4x": 2, "B1": 2}
    assert wang.post(url, {"point": ["A3", "A9", "B1"]}).status_code == 422
    assert wang.get(f"/programmes/{world.programme.uuid}").status_code == 200


def test_a_draft_whose_material_has_no_place_goes_on_as_it_was(browse, world):
    choose(world, cast.CHEN, "A1", "A2", "B1")
    work = world.session.exec(
        select(competencies.Submission).where(
            competencies.Submission.person_id == pk(world.person(cast.CHEN)),
            competencies.Submission.point_id == pk(world.point("A1")),
        )
    ).one()
    place = world.session.exec(
        select(competencies.EvidenceRequirement).where(
            competencies.EvidenceRequirement.point_id == pk(world.point("A1")),
            competencies.EvidenceRequirement.key == "plan",
        )
    ).one()
    world.session.add(
        competencies.Evidence(
            submission_id=pk(work), requirement_id=pk(place), kind="text", text=TEXT, changed_at=world.now
        )
    )
    work.self_marks = {"plan": {"elements": 1}, "report": {"clarity": 2}}
    world.session.add(work)
    other = world.session.exec(
        select(competencies.Submission).where(
            competencies.Submission.person_id == pk(world.person(cast.CHEN)),
            competencies.Submission.point_id == pk(world.point("B1")),
        )
    ).one()
    other.self_marks = {"design": {"any": 1}, "clip": {"any": 2}}
    world.session.add(other)
    world.session.commit()

    def no_text(content):
        item = editing.item_of(editing.point_of(content, "A1"), "plan")
        return editing.put_item(content, "A1", {**item, "alt_kinds": []})

    def other_words(content):
        item = editing.item_of(editing.point_of(content, "B1"), "clip")
        return editing.put_item(content, "B1", {**item, "title_zh": "另一段"})

    version = next_version(world, no_text, other_words)
    assert go_over(browse, world, version).status_code == 303
    assert held(world, cast.CHEN) == {"A1": 1, "A2": 2, "B1": 2}
    world.session.refresh(other)
    assert other.self_marks == {"design": {"any": 1}}  # of what says the same; the other mark meant something else
    world.session.refresh(work)
    assert work.self_marks == {"plan": {"elements": 1}, "report": {"clarity": 2}}


@pytest.mark.parametrize(
    ("rule", "points", "words"),
    [
        ({"compulsory": ("A9",)}, {"A9": "-", "A3": "A3x"}, "必选的能力点新版里没有了"),
        ({"compulsory": ("A3",)}, {"A9": "-", "A3": "A3x"}, "必选的能力点改了编号"),
        ({"required_points": 30}, {"A9": "-", "A3": "A3x"}, "新版满足不了这个项目的规则"),
    ],
)
def test_a_round_whose_rules_cannot_follow_stays(browse, world, rule, points, words):
    hand_in(world, cast.WANG, "A3", world.now - timedelta(hours=2), TEXT)
    world.set_rules(choice=rule)
    world.session.commit()
    version = next_version(world, without("A9"), called("A3", "A3x"))
    decide(browse, version, world.framework, **points)
    page = browse(cast.OFFICER).get(f"/curate/programmes/{world.programme.uuid}/move").text
    assert words in page
    assert "就这样换" not in page
    refused = go_over(browse, world, version)
    assert (refused.status_code, held(world, cast.WANG)) == (422, {"A3": 1})


def test_rules_follow_points_that_are_called_otherwise(browse, world):
    own = {"category": "backbone", "only": ("A9", "A3", "A5", "A6", "B1")}
    world.set_rules(choice={"compulsory": ("A3",), "not_offered": ("A9",)}, categories=[own])
    choose(world, cast.WANG, "A3")
    version = next_version(world, without("A9"), called("A3", "A3x"))
    decide(browse, version, world.framework, A9="-", A3="A3x")
    assert go_over(browse, world, version).status_code == 303
    world.session.expire_all()
    rules = competencies.rules_of(world.session, world.programme)
    assert (rules.choice.compulsory, rules.choice.not_offered) == (("A3x",), ())
    assert rules.categories[0].only == ("A3x", "A5", "A6", "B1")
    assert held(world, cast.WANG) == {"A3x": 2}


def test_a_round_that_is_over_stays_and_nobody_goes_back(browse, world):
    version = next_version(world, without("A9"))
    decide(browse, version, world.framework, A9="-")
    officer = browse(cast.OFFICER)
    assert officer.post(f"/curate/programmes/{world.programme.uuid}/state", {"state": "closed"}).status_code == 303
    assert "已经结束或归档" in go_over(browse, world, version).text
    assert officer.post(f"/curate/programmes/{world.programme.uuid}/state", {"state": "open"}).status_code == 303
    assert go_over(browse, world, version).status_code == 303
    assert go_over(browse, world, world.framework).status_code == 404


def test_two_curators_decide_at_once_and_see_both(browse, world):
    version = next_version(world, without("A9"), without("A5"))
    assert decide(browse, version, world.framework, A9="-", A5="A6").status_code == 303
    url = f"/curate/frameworks/{version.uuid}/succession"
    stale = browse(cast.OFFICER).post(url, {"version": 1, "p.A9": "A8", "p.A5": "A6"})
    assert stale.status_code == 409
    assert "现在存的是：新版没有了" in stale.text
    assert '<option value="A8" selected' in stale.text
    unknown = browse(cast.OFFICER).post(url, {"version": 2, "p.A9": "Z9"})
    assert unknown.status_code == 422
    view = succession.succession(world.session, world.actor(cast.OFFICER), version.uuid)
    assert {one.code: one.becomes for one in view.points if not one.is_same} == {"A5": "A6", "A9": ""}


def test_a_new_code_on_the_page_is_noted_at_once(browse, world):
    actor = world.actor(cast.OFFICER)
    draft = drafts.begin_next(world.session, actor, world.framework.uuid, world.now)
    for old, new in (("A3", "A3x"), ("A3x", "A3y")):
        words = editing.own_words(editing.point_of(draft.content, old))
        drafts.change_point(
            world.session, actor, draft.uuid, old, {**words, "code": new}, competencies.edition(words), world.now
        )
    view = succession.succession(world.session, actor, draft.uuid)
    assert [(one.code, one.becomes) for one in view.points if not one.is_same] == [("A3", "A3y")]
    assert view.added == ()


def test_a_round_goes_over_to_a_standard_of_ones_own(browse, world):
    choose(world, cast.WANG, "A3", "A9")
    officer = world.actor(cast.OFFICER)
    own = drafts.begin_own(world.session, officer, world.framework.uuid, "pingan-1", {"zh": "平安县标准"}, world.now)
    editing.keep_draft(world.session, own, without("A9")(own.content))
    curate.publish(world.session, own, officer.person_id, world.now, under_banner=True)
    world.session.commit()
    decide(browse, own, world.framework, A9="A8")
    assert go_over(browse, world, own).status_code == 303
    assert held(world, cast.WANG) == {"A3": 1, "A8": 1}  # the first version of that standard
    assert world.programme.framework_version_id == pk(own)
    assert world.programme.version > 1


def test_only_curators_decide_and_only_officers_go_over(browse, world):
    version = next_version(world, without("A9"))
    for who, status in ((None, 401), (cast.CHEN, 403), (cast.AUDITOR, 403), (cast.TRAINER, 403), (cast.NEIGHBOUR, 404)):
        assert browse(who).get(f"/curate/frameworks/{version.uuid}/succession").status_code == status
        assert browse(who).get(f"/curate/programmes/{world.programme.uuid}/move").status_code == status
