"""抽查台账: who may draw from what, what the proof of an entry says, and that a draw and its findings only grow."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

import competencies
from competencies import DrawEvent, LedgerDraw
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, Invalid, NotFound
from lms_plugin.flow import audit, audit_proof, audit_views, reversal
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.factories import World, add_person, grant
from tests.flow.earned import earn
from tests.ledgers import ENTRIES, add_entry, put, remove, rows, unguarded

HOUR = timedelta(hours=1)
INSPECTOR = cast.Cast("inspector", "校审计", "希望小学", "A9")


def wish(**values: Any) -> audit.Wish:
    return audit.Wish(
        **{"programme": "", "unit": "", "since": None, "until": None, "wanted": 20, "seed": "s", "key": "k"} | values
    )


def seal(world: World) -> None:
    competencies.seal(world.session, pk(world.tenant), world.now)


def draw(world: World, who: cast.Cast = cast.AUDITOR, **values: Any) -> LedgerDraw:
    return audit.draw(world.session, world.actor(who), wish(**values), world.now)


def proof(world: World, drawn: LedgerDraw, position: int = 1, who: cast.Cast = cast.AUDITOR) -> audit_proof.ProofPage:
    page = audit_proof.proof_page(world.session, world.actor(who), drawn.uuid, position)
    if page.is_new:  # as the page does once it is made
        audit.opened(world.session, world.actor(who), page.draw_id, page.unit_path, position, world.now)
    return page


@pytest.fixture
def earned(world: World) -> World:
    """Somebody has earned their hours with three points, sealed."""
    earn(world, cast.CHEN, "A3", "A5", "B1", level=2)
    seal(world)
    return world


def test_only_auditors_draw(earned: World) -> None:
    drawn = draw(earned)
    assert (drawn.population, len(drawn.entry_ids), drawn.seal_number) == (1, 1, 1)
    for who in (cast.CHEN, cast.LEAD, cast.TRAINER, cast.OFFICER, cast.IT):
        actor = earned.actor(who)
        acts: list[Any] = [
            lambda actor=actor: audit.draw(earned.session, actor, wish(key="other"), earned.now),
            lambda actor=actor: audit_views.home(earned.session, actor, 1),
            lambda actor=actor: audit_views.draw_page(earned.session, actor, drawn.uuid),
            lambda actor=actor: audit_proof.proof_page(earned.session, actor, drawn.uuid, 1),
            lambda actor=actor: audit.say(earned.session, actor, drawn.uuid, 1, "in_order", "", earned.now),
        ]
        for act in acts:
            with pytest.raises(Forbidden):
                act()
    neighbour = earned.actor(cast.NEIGHBOUR)
    with pytest.raises(NotFound):
        audit_views.draw_page(earned.session, neighbour, drawn.uuid)
    with pytest.raises(NotFound):
        audit.draw(earned.session, neighbour, wish(unit=earned.county.uuid), earned.now)
    assert audit_views.home(earned.session, neighbour, 1).draws == ()


def test_an_auditor_of_a_school_stays_within_it(earned: World) -> None:
    """Neither other schools, nor the whole district, nor draws that reach further."""
    mine, other = earned.schools["希望小学"], earned.schools["平安小学"]
    earned.persons["inspector"] = add_person(earned.session, earned.tenant, mine, INSPECTOR, earned.now)
    grant(earned.session, earned.persons["inspector"], RoleKind.AUDITOR, mine, earned.now)
    whole = draw(earned)
    for unit in ("", earned.county.uuid, other.uuid):
        with pytest.raises(Forbidden):
            draw(earned, INSPECTOR, unit=unit, key=unit)
    actor = earned.actor(INSPECTOR)
    with pytest.raises(Forbidden):
        audit_views.draw_page(earned.session, actor, whole.uuid)
    with pytest.raises(Forbidden):
        audit_proof.proof_page(earned.session, actor, whole.uuid, 1)
    drawn = draw(earned, INSPECTOR, unit=mine.uuid, key="own")
    assert drawn.unit_ids == [pk(mine)]
    home = audit_views.home(earned.session, actor, 1)
    assert [uuid for uuid, _name in home.units] == [mine.uuid]
    assert [row.uuid for row in home.draws] == [drawn.uuid]
    assert not home.is_district
    assert {row.uuid for row in audit_views.home(earned.session, earned.actor(cast.AUDITOR), 1).draws} == {
        whole.uuid,
        drawn.uuid,
    }
    with pytest.raises(Invalid) as nothing:  # 平安小学 has no entry
        draw(earned, unit=other.uuid, key="empty")
    assert nothing.value.fields == {"unit": "audit.nothing_there"}


def test_a_form_sent_twice_draws_once_and_another_draws_anew(earned: World) -> None:
    first = draw(earned)
    assert draw(earned, seed="another").uuid == first.uuid
    assert draw(earned, key="second").uuid != first.uuid
    assert len(earned.session.exec(select(LedgerDraw)).all()) == 2


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"wanted": 0}, "wanted"),
        ({"wanted": 201}, "wanted"),
        ({"seed": "x" * 65}, "seed"),
        ({"seed": "a\u202eb"}, "seed"),
        ({"since": "2026-11-02", "until": "2026-11-01"}, "until"),
        ({"until": "9999-12-31"}, "until"),
        ({"since": "0001-01-01"}, "since"),
        ({"until": "2026-10-01"}, "unit"),
    ],
)
def test_what_cannot_be_drawn_is_said_at_its_field(earned: World, values: dict[str, Any], field: str) -> None:
    values = {
        name: date.fromisoformat(value) if name in {"since", "until"} else value for name, value in values.items()
    }
    with pytest.raises(Invalid) as refused:
        draw(earned, **values)
    assert set(refused.value.fields) == {field}
    assert earned.session.exec(select(LedgerDraw)).all() == []


def test_the_days_are_those_of_the_district(earned: World) -> None:
    """09:00 in Shanghai is 01:00 UTC of the same day; the day ends at 16:00 UTC."""
    entered = add_entry(earned)
    assert entered.entered_at == earned.now
    today = competencies.local_day(earned.now, earned.tenant.timezone)
    assert draw(earned, since=today, until=today).population == 1
    with pytest.raises(Invalid):
        draw(earned, until=date.fromordinal(today.toordinal() - 1), key="before")


def test_a_draw_can_be_made_again_and_says_when_the_ledger_was_harmed(earned: World) -> None:
    for _ in range(5):
        add_entry(earned)
    seal(earned)
    drawn = draw(earned, wanted=3)
    add_entry(earned)
    seal(earned)
    actor = earned.actor(cast.AUDITOR)
    assert audit_views.draw_page(earned.session, actor, drawn.uuid).is_same is None
    assert audit_views.draw_page(earned.session, actor, drawn.uuid, again=True).is_same is True
    connection = earned.session.connection()
    gone = next(row for row in rows(connection, ENTRIES) if row["id"] == drawn.entry_ids[0])
    with unguarded(connection):
        remove(connection, ENTRIES, gone)
    page = audit_views.draw_page(earned.session, actor, drawn.uuid, again=True)
    assert page.is_same is False
    assert [line.is_there for line in page.lines] == [False, True, True]
    assert proof(earned, drawn).entry is None


def test_the_proof_says_everything_the_entry_rests_on(earned: World) -> None:
    earned.set_rules(hours={"practice_hundredths": 9900})  # of a later day
    page = proof(earned, draw(earned))
    assert page.proof.holds
    assert page.entry is not None
    assert page.around.rule is not None
    entry, around, rule = page.entry, page.around, page.around.rule
    assert (around.person, around.school, entry.hundredths, entry.kind) == ("陈晓芳", "希望小学", 2500, "practice")
    assert around.decided_by == earned.person(cast.TRAINER).name
    assert (rule.number, rule.hash_holds, rule.rules.hours.practice_hundredths) == (1, True, 2500)
    assert sorted(work.code for work in page.works) == ["A3", "A5", "B1"]
    assert [work.is_basis for work in page.works] == [True, False, False]
    for work in page.works:
        assert work.hash_holds
        assert work.decided_by == earned.person(cast.TRAINER).name
        assert work.released_at == earned.now
        assert (work.standard_number, work.standard_hash) == (1, earned.framework.content_hash)
        assert work.files
        assert all(len(file.sha256) == 64 for file in work.files)
    assert page.lost_files == 0
    assert [(one.how, one.entry.reason) for one in page.related] == []


def test_a_point_earned_later_is_no_basis(earned: World) -> None:
    drawn = draw(earned)
    later = World(**{**vars(earned), "now": earned.now + HOUR})
    earn(later, cast.CHEN, "B2")
    assert sorted(work.code for work in proof(earned, drawn).works) == ["A3", "A5", "B1"]


def test_the_proof_names_a_reversal_on_both_sides(earned: World) -> None:
    award = earned.session.exec(select(competencies.Award).order_by(col(competencies.Award.id).desc())).first()
    assert award is not None
    officer, later = earned.actor(cast.OFFICER), earned.now + HOUR
    uuid = earned.person(cast.CHEN).uuid
    reversal.reverse(earned.session, officer, earned.programme.uuid, uuid, "award", award.uuid, "误录", later)
    competencies.seal(earned.session, pk(earned.tenant), later)
    drawn = draw(earned)
    by_amount = {}
    for position in (1, 2):
        page = proof(earned, drawn, position)
        assert page.entry is not None
        by_amount[page.entry.hundredths] = page
    assert [(one.entry.hundredths, one.entry.source) for one in by_amount[2500].related] == [(-2500, "误录")]
    assert [one.entry.hundredths for one in by_amount[-2500].related] == [2500]
    assert by_amount[-2500].works[0].revoked_reason == "误录"


def test_what_was_handed_in_and_rules_that_were_changed_are_told(earned: World) -> None:
    drawn = draw(earned)
    session: Session = earned.session
    lost = {"kind": "file", "file": "0" * 32, "name": "教案.docx", "sha256": "0" * 64, "size_bytes": 10}
    for version in session.exec(select(competencies.SubmissionVersion)):
        version.manifest = {**version.manifest, "items": [{"requirement": "x", "pieces": [lost]}]}
        session.add(version)
    policy = session.exec(select(competencies.ProgrammePolicy)).one()
    policy.rules = {**policy.rules, "goal_percent": 50}
    session.add(policy)
    session.flush()
    page = proof(earned, drawn)
    assert page.around.rule is not None
    assert not page.around.rule.hash_holds
    assert not any(work.hash_holds for work in page.works)
    assert page.lost_files == 3
    policy.rules = {**policy.rules, "bogus": 1}
    session.add(policy)
    session.flush()
    page = proof(earned, drawn)
    assert page.around.rule is not None
    assert (page.around.rule.hash_holds, page.around.rule.rules) == (False, None)


def test_an_entry_that_was_changed_is_shown_as_it_is_now(earned: World) -> None:
    drawn = draw(earned)
    connection = earned.session.connection()
    with unguarded(connection):
        put(connection, ENTRIES, rows(connection, ENTRIES)[0], {"credit_hundredths": 9900})
    earned.session.expire_all()
    page = proof(earned, drawn)
    assert page.entry is not None
    assert (page.proof.holds, page.proof.is_whole, page.entry.hundredths) == (False, False, 9900)


def test_of_an_entry_that_is_gone_something_can_be_said(earned: World) -> None:
    drawn = draw(earned)
    connection = earned.session.connection()
    with unguarded(connection):
        remove(connection, ENTRIES, rows(connection, ENTRIES)[0])
    earned.session.expire_all()
    assert proof(earned, drawn).entry is None
    audit.say(earned.session, earned.actor(cast.AUDITOR), drawn.uuid, 1, "question", "被删了", earned.now)
    assert [(one.kind, one.remark) for one in proof(earned, drawn).history][-1] == ("question", "被删了")


def test_who_opened_a_proof_is_noted_once(earned: World) -> None:
    drawn = draw(earned)
    proof(earned, drawn)
    page = proof(earned, drawn)
    assert [(one.kind, one.by) for one in page.history] == [("opened", earned.person(cast.AUDITOR).name)]


def test_findings_stay_and_the_newest_counts(earned: World) -> None:
    add_entry(earned, who=cast.WANG)
    seal(earned)
    drawn, actor = draw(earned), earned.actor(cast.AUDITOR)

    def say(position: int, finding: str, remark: str = "") -> int:
        return audit.say(earned.session, actor, drawn.uuid, position, finding, remark, earned.now)

    assert say(1, "question", " 谁评的？\n ") == 2
    assert say(1, "question", "谁评的？") == 2  # the second click
    assert say(1, "in_order", "问清了") == 2
    assert say(2, "in_order") == 0
    for finding, remark, field in (("", "", "finding"), ("opened", "", "finding"), ("question", " ", "remark")):
        with pytest.raises(Invalid) as refused:
            say(1, finding, remark)
        assert set(refused.value.fields) == {field}
    for position in (0, 3):
        with pytest.raises(NotFound):
            say(position, "in_order")
    events = earned.session.exec(select(DrawEvent).order_by(col(DrawEvent.id))).all()
    assert [(one.position, one.kind, one.remark) for one in events] == [
        (1, "question", "谁评的？"),
        (1, "in_order", "问清了"),
        (2, "in_order", ""),
    ]
    page = audit_views.draw_page(earned.session, actor, drawn.uuid)
    assert (page.count("in_order"), page.count("question"), page.next_position) == (2, 0, 0)
    assert [(row.found, row.questions, row.count) for row in audit_views.home(earned.session, actor, 1).draws] == [
        (2, 0, 2)
    ]


def test_nobody_audits_their_own_hours(world: World) -> None:
    add_entry(world, who=cast.AUDITOR)
    seal(world)
    drawn = draw(world)
    assert not proof(world, drawn).may_find
    with pytest.raises(Forbidden):
        audit.say(world.session, world.actor(cast.AUDITOR), drawn.uuid, 1, "in_order", "", world.now)
