"""学时证明: made out once, by whom it may be, ended by a new one or by an officer; what the ledger does later shows."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlmodel import col, select

import competencies
from competencies import Certificate, CertificateEnd, CreditKind, Standing
from lms_plugin.access import RoleScope
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import certificate_paper, certificate_sheet, certificate_views, certificates, merges, verification
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.certified import PAPER, certificate_for, issue, sealed
from tests.factories import World, grant
from tests.flow.earned import earn
from tests.flow.test_reversal import award_of, imported, take_back
from tests.ledgers import add_entry


def all_of(world: World) -> Sequence[Certificate]:
    return world.session.exec(select(Certificate).order_by(col(Certificate.number))).all()


def look(world: World, certificate: Certificate, who: cast.Cast = cast.OFFICER) -> certificate_sheet.View:
    return certificate_sheet.view(world.session, world.actor(who), certificate.uuid)


def verified(world: World, certificate: Certificate) -> verification.Verified:
    found = verification.look_up(world.session, certificate.code)
    assert found is not None
    return found


def issue_school(world: World, by: cast.Cast = cast.OFFICER, school: str = "希望小学") -> certificates.Issued:
    unit = world.schools[school].uuid
    return certificates.issue_to_school(world.session, world.actor(by), world.programme.uuid, unit, PAPER, world.now)


def test_it_says_what_the_ledger_says_and_what_it_rests_on(world: World) -> None:
    earn(world, cast.CHEN, "A3", "A5", "B1")
    online = imported(world)
    sealed(world)
    made = issue(world, cast.CHEN, paper="  平教培〔2026〕12   号 ")
    head = competencies.head(world.session, pk(world.tenant))
    assert head is not None
    assert (made.hours, made.number) == ({"practice": 2500, "online": 1200}, 1)
    assert pk(online) in made.entries
    assert len(made.entries) == 2
    assert (made.seal_number, made.seal_hash) == (head.number, head.hash)
    assert (made.name, made.school, made.issuer, made.paper) == ("陈晓芳", "希望小学", "平安县", "平教培〔2026〕12 号")
    assert made.issued_by_id == pk(world.person(cast.OFFICER))
    seen = look(world, made)
    assert (seen.number, seen.standing, len(seen.lines), seen.may_revoke) == ("2026000001", Standing.VALID, 2, True)


def test_asked_for_twice_it_is_made_once(world: World) -> None:
    first = certificate_for(world, cast.CHEN)
    assert issue(world, cast.CHEN) == first
    assert len(all_of(world)) == 1


def test_more_hours_bring_a_new_one_that_ends_the_old(world: World) -> None:
    first = certificate_for(world, cast.CHEN)
    second = certificate_for(world, cast.CHEN, 500)
    assert (second.number, second.hours) == (2, {"practice": 3000})
    assert look(world, first).followed_by == second.uuid
    assert (verified(world, first).standing, verified(world, second).standing) == (Standing.ENDED, Standing.VALID)


def test_a_reversal_shows_until_a_new_one_is_made_out(world: World) -> None:
    earn(world, cast.CHEN, "A3", "A5", "B1")
    online = imported(world)
    sealed(world)
    made = issue(world, cast.CHEN)
    assert take_back(world, "hours", online.uuid)
    assert verified(world, made).standing is Standing.CHANGED
    assert verified(world, made).hours == (("practice", 2500), ("online", 1200))
    with pytest.raises(Conflict, match=r"certificate\.not_printable"):
        certificate_sheet.printable(world.session, world.actor(cast.CHEN), made.uuid)
    sealed(world)
    again = issue(world, cast.CHEN)
    assert (again.hours, len(again.entries)) == ({"practice": 2500}, 3)
    assert verified(world, again).standing is Standing.VALID
    assert take_back(world, "award", award_of(world, "A5").uuid)
    assert verified(world, again).standing is Standing.CHANGED


def test_what_is_not_sealed_yet_waits(world: World) -> None:
    add_entry(world, 2500)
    with pytest.raises(Refused, match=r"certificate\.unsealed"):
        issue(world, cast.CHEN)
    assert issue_school(world).left == {certificates.UNSEALED: 1}
    sealed(world)
    assert len(issue_school(world).made) == 1


def test_a_school_gets_theirs_in_one_act_and_nobody_twice(world: World) -> None:
    for who in (cast.CHEN, cast.WANG, cast.LI):
        add_entry(world, 800, who)
    world.person(cast.WANG).confirmed_at = None
    world.session.add(world.person(cast.WANG))
    gone = add_entry(world, 300, cast.ZHAO)
    competencies.reverse(world.session, gone, pk(world.person(cast.OFFICER)), "误录", world.now)
    sealed(world)
    here = {who.key for who in (cast.CHEN, cast.WANG, cast.LI, cast.ZHAO) if who.school == "希望小学"}
    done = issue_school(world)
    expected = {world.person(who).name for who in (cast.CHEN, cast.LI) if who.key in here}
    assert {one.name for one in done.made} == expected
    assert done.left.get(certificates.UNCONFIRMED, 0) == int("wang" in here)
    assert done.left.get(certificates.EMPTY, 0) == int("zhao" in here)
    again = issue_school(world)
    assert (len(again.made), again.kept) == (0, len(expected))
    page = certificate_views.school_page(
        world.session, world.actor(cast.OFFICER), world.programme.uuid, world.schools["希望小学"].uuid
    )
    assert (page.ready, page.holding, page.total) == (0, len(expected), len(here))
    programme = certificate_views.programme_page(world.session, world.actor(cast.OFFICER), world.programme.uuid)
    line = next(one for one in programme.lines if one.name == "希望小学")
    assert (line.people, line.holding) == (len(here), len(expected))


def test_numbers_follow_one_another_and_codes_differ(world: World) -> None:
    for who in (cast.CHEN, cast.WANG, cast.LI):
        certificate_for(world, who)
    assert [one.number for one in all_of(world)] == [1, 2, 3]
    assert len({one.code for one in all_of(world)}) == 3


@pytest.mark.parametrize("who", [cast.LEAD, cast.TRAINER, cast.CHEN, cast.WANG])
def test_only_officers_make_them_out(world: World, who: cast.Cast) -> None:
    add_entry(world, 2500)
    sealed(world)
    with pytest.raises(Forbidden):
        issue(world, cast.CHEN, by=who)
    with pytest.raises(Forbidden):
        issue_school(world, by=who)
    with pytest.raises(Forbidden):
        certificates.set_terms(world.session, world.actor(who), world.programme.uuid, PAPER, True, world.now)


def test_an_officer_of_another_school_reaches_nobody_here(world: World) -> None:
    made = certificate_for(world, cast.CHEN)
    elsewhere = RoleScope(RoleKind.OFFICER, unit_path=world.schools["平安小学"].path)
    actor = replace(world.actor(cast.TRAINER), roles=(elsewhere,))
    for act in (
        lambda: certificates.issue_to(
            world.session, actor, world.programme.uuid, world.person(cast.CHEN).uuid, PAPER, world.now
        ),
        lambda: certificates.revoke(world.session, actor, made.uuid, "x", world.now),
        lambda: certificate_sheet.view(world.session, actor, made.uuid),
    ):
        with pytest.raises(Forbidden):
            act()


def test_an_officer_of_a_part_goes_by_the_paper_of_the_programme(world: World) -> None:
    """The certificate says the county's name."""
    add_entry(world, 2500)
    sealed(world)
    grant(world.session, world.person(cast.LEAD), RoleKind.OFFICER, world.schools["希望小学"], world.now)
    with pytest.raises(Invalid) as refused:
        issue(world, cast.CHEN, by=cast.LEAD, paper="自拟1号")
    assert refused.value.fields["paper"][0] == "certificate.paper_not_said"
    certificates.set_terms(world.session, world.actor(cast.OFFICER), world.programme.uuid, PAPER, False, world.now)
    with pytest.raises(Invalid) as refused:
        issue(world, cast.CHEN, by=cast.LEAD, paper="自拟1号")
    assert refused.value.fields["paper"][0] == "certificate.paper_of_issuer"
    assert issue(world, cast.CHEN, by=cast.LEAD, paper=PAPER).paper == PAPER


def test_nobody_makes_out_their_own_as_an_officer(world: World) -> None:
    add_entry(world, 2500)
    grant(world.session, world.person(cast.CHEN), RoleKind.OFFICER, world.county, world.now)
    sealed(world)
    with pytest.raises(Forbidden):
        issue(world, cast.CHEN, by=cast.CHEN)
    assert issue_school(world, by=cast.CHEN).left == {certificates.OWN: 1}


def test_teachers_take_their_own_where_the_programme_lets_them(world: World) -> None:
    add_entry(world, 2500)
    sealed(world)
    chen, officer, programme = world.actor(cast.CHEN), world.actor(cast.OFFICER), world.programme.uuid
    with pytest.raises(Refused, match=r"certificate\.no_self_service"):
        certificates.take_own(world.session, chen, programme, world.now)
    with pytest.raises(Invalid):
        certificates.set_terms(world.session, officer, programme, " ", True, world.now)
    certificates.set_terms(world.session, officer, programme, PAPER, True, world.now)
    made = certificates.take_own(world.session, chen, programme, world.now)
    assert (made.paper, made.issued_by_id) == (PAPER, pk(world.person(cast.CHEN)))
    assert certificates.take_own(world.session, chen, programme, world.now) == made
    with pytest.raises(Refused, match=r"certificate\.no_hours"):
        certificates.take_own(world.session, world.actor(cast.WANG), programme, world.now)


def test_one_is_taken_back_once_with_a_reason(world: World) -> None:
    made, officer = certificate_for(world, cast.CHEN), world.actor(cast.OFFICER)
    for reason in (" ", "长" * 301, "a\x07"):
        with pytest.raises(Invalid):
            certificates.revoke(world.session, officer, made.uuid, reason, world.now)
    assert certificates.revoke(world.session, officer, made.uuid, " 姓名 印错 ", world.now)
    assert not certificates.revoke(world.session, officer, made.uuid, "又一次", world.now)
    (end,) = world.session.exec(select(CertificateEnd)).all()
    assert (end.reason, end.followed_by_id) == ("姓名 印错", None)
    assert verified(world, made).standing is Standing.ENDED
    certificates.set_terms(world.session, officer, world.programme.uuid, PAPER, True, world.now)
    with pytest.raises(Refused, match=r"certificate\.was_revoked"):
        certificates.take_own(world.session, world.actor(cast.CHEN), world.programme.uuid, world.now)
    assert issue_school(world).left == {certificates.REVOKED: 1}
    assert issue(world, cast.CHEN).number == 2


def test_the_paper_is_asked_for(world: World) -> None:
    add_entry(world, 2500)
    sealed(world)
    for paper in ("", "号" * 101, "1\x00"):
        with pytest.raises(Invalid):
            issue(world, cast.CHEN, paper=paper)


def test_a_name_that_is_changed_later_changes_no_certificate(world: World) -> None:
    made = certificate_for(world, cast.CHEN)
    person = world.person(cast.CHEN)
    person.name, person.confirmed_at = "别人", None
    world.session.add(person)
    world.session.flush()
    assert (look(world, made).name, verified(world, made).name) == ("陈晓芳", "陈*芳")


def test_a_merge_leaves_it_valid(world: World) -> None:
    """Hours over all rows of one human being: nothing is less than before."""
    earn(world, cast.CHEN, "A3", "A5", "B1")
    sealed(world)
    made, officer = issue(world, cast.CHEN), world.actor(cast.OFFICER)
    chen, wang = world.person(cast.CHEN), world.person(cast.WANG)
    merges.merge_persons(world.session, officer, chen.uuid, wang.uuid, "同一个人", world.now)
    world.session.expire_all()
    assert verified(world, made).standing is Standing.VALID
    add_entry(world, 500, cast.WANG)
    sealed(world)
    assert issue(world, cast.WANG).hours == {"practice": 3000}
    assert verified(world, made).standing is Standing.ENDED


def test_one_made_out_over_a_merge_that_was_a_mistake_has_changed(world: World) -> None:
    """It would go on saying another person's hours."""
    for who in (cast.CHEN, cast.WANG):
        earn(world, who, "A3", "A5", "B1")
    officer, chen, wang = world.actor(cast.OFFICER), world.person(cast.CHEN), world.person(cast.WANG)
    merges.merge_persons(world.session, officer, wang.uuid, chen.uuid, "同一个人", world.now)
    sealed(world)
    made = issue(world, cast.CHEN)
    assert verified(world, made).standing is Standing.VALID
    merges.undo_merge(world.session, officer, wang.uuid, world.now)
    world.session.expire_all()
    assert verified(world, made).standing is Standing.CHANGED


def test_the_code_finds_it_however_it_is_typed_and_nothing_else_does(world: World) -> None:
    made = certificate_for(world, cast.CHEN)
    found = verification.look_up(world.session, f" {made.code[:6].lower()}-{made.code[6:]}")
    assert found is not None
    assert (found.name, found.title) == ("陈*芳", world.programme.title)
    forged = ("0" if made.code[0] != "0" else "1") + made.code[1:]
    for typed in (forged, made.code[:-1], made.uuid, str(made.number), "2026000001", ""):
        assert verification.look_up(world.session, typed) is None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("陈芳", "陈*"),
        ("陈晓芳", "陈*芳"),
        ("欧阳小芳", "欧**芳"),
        ("陈", "*"),
        ("", "*"),
        ("陈 晓 芳", "陈*芳"),
        ("John Smith", "J*** S***"),
        ("阿依古丽·买买提", "阿******提"),
    ],
)
def test_names_are_masked(name: str, shown: str) -> None:
    assert verification.masked(name) == shown


def test_the_neighbour_finds_nothing(world: World) -> None:
    made = certificate_for(world, cast.CHEN)
    neighbour = world.actor(cast.NEIGHBOUR)
    with pytest.raises(NotFound):
        certificate_sheet.view(world.session, neighbour, made.uuid)
    with pytest.raises(NotFound):
        certificates.revoke(world.session, neighbour, made.uuid, "x", world.now)


@pytest.mark.parametrize("kind", [CreditKind.ONLINE, CreditKind.OFFLINE, CreditKind.SCHOOL_BASED])
def test_hours_are_of_their_kind(world: World, kind: CreditKind) -> None:
    competencies.credit(
        world.session,
        pk(world.tenant),
        pk(world.programme),
        pk(world.person(cast.CHEN)),
        kind,
        1250,
        competencies.Basis(world.programme.policy_id or 0),
        world.now,
        reason="import",
    )
    sealed(world)
    made = issue(world, cast.CHEN)
    assert made.hours == {kind.value: 1250}


def test_every_kind_of_hours_has_its_words_on_paper() -> None:
    assert set(certificate_paper.KINDS) == {kind.value for kind in CreditKind}


def test_credit_points_stand_on_it_by_the_rule_of_that_day(world: World) -> None:
    plain = certificate_for(world, cast.CHEN)
    seen = look(world, plain)
    assert (seen.credit_points, seen.per_credit_point) == (0, 0)
    assert "学分" not in certificate_paper.page(seen, "https://x/v/1", "https://x/v")
    world.set_rules(hours={"per_credit_point_hundredths": 900})
    second = issue(world, cast.CHEN)  # the hours are the same, what they make is said for the first time
    assert (second.number, second.hours) == (2, plain.hours)
    seen = look(world, second)
    assert (seen.credit_points, seen.per_credit_point) == (277, 900)  # 25 / 9, rounded down
    paper = certificate_paper.page(seen, "https://x/v/1", "https://x/v")
    assert "按每 9 学时合 1 学分，共 <b>2.77</b> 学分" in paper
    assert verified(world, second).credit_points == 277
    world.set_rules(hours={"per_credit_point_hundredths": 1000})
    assert (look(world, second).credit_points, verified(world, second).standing) == (277, Standing.VALID)
    assert issue(world, cast.CHEN).number == 3
    assert issue(world, cast.CHEN).number == 3
