"""确认是本人: who comes from Open edX decides, publishes and seals nothing before they have shown that it is them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from sqlmodel import select

import competencies
import lti
from lms_plugin.access import NEEDS_PROOF, Actor, Permission, RoleScope, Scope, can, own, require, somewhere
from lms_plugin.db import get, pk
from lms_plugin.errors import Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import (
    award,
    batches,
    cases,
    certificates,
    curate,
    invitations,
    merges,
    panel,
    people,
    platforms,
    proofs,
    roles,
    sessions,
    tries,
)
from lms_plugin.people import RoleKind, WebSession
from lms_plugin.signing_words import SigningWord
from tests import people as cast
from tests.factories import World, grant
from tests.flow.handed_in import all_marks, hand_in, judgement
from tests.web.launching import row_counts, written

DAY = timedelta(days=1)
WORD = "春眠不觉晓-2026"


@pytest.fixture
def edx(world: World) -> World:
    """The world's course lies in Open edX."""
    deployment = get(world.session, lti.Deployment, world.course.deployment_id)
    platform = get(world.session, lti.Platform, deployment.platform_id)
    platform.product = "openedx"
    world.session.add(platform)
    world.session.flush()
    return world


def come(world: World, who: cast.Cast, when: timedelta = timedelta(0)) -> tuple[WebSession, str]:
    """Somebody launches; the session and its token."""
    now = world.now + when
    made = sessions.open_session(world.session, world.person(who), world.course, timedelta(hours=8), now)
    return get(world.session, WebSession, pk(made.session_row)), made.token


def hashed(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def seen(world: World, row: WebSession, when: timedelta = timedelta(0)) -> Actor:
    """Who the tool takes the session for."""
    world.session.flush()
    visitor = sessions.visitor_of(world.session, world.now + when, token_hash=row.token_hash)
    assert visitor is not None
    return visitor.actor


def proved(world: World, who: cast.Cast) -> WebSession:
    """A session of somebody who was given a code and has set a word."""
    row, _token = come(world, who)
    code = proofs.give_code(world.session, world.actor(cast.OFFICER), world.person(who).uuid, world.now)
    proofs.by_code(world.session, seen(world, row), row, code.lower().replace("-", " "), world.now)
    proofs.choose_word(world.session, seen(world, row), WORD, WORD, world.now)
    return row


Act = Callable[[World, Actor, competencies.Submission], Any]


def chen(world: World) -> str:
    return world.person(cast.CHEN).uuid


# One act of each kind, by who may do it: had they proved themselves, each of these would go on to its own questions.
ACTS: dict[str, tuple[cast.Cast, Act]] = {
    "decide": (
        cast.TRAINER,
        lambda w, me, work: cases.decide(w.session, me, work.uuid, judgement(all_marks(w, work)), 0, 1, w.now),
    ),
    "return": (
        cast.TRAINER,
        lambda w, me, work: cases.return_work(w.session, me, work.uuid, judgement(all_marks(w, work, 0)), 0, 1, w.now),
    ),
    "decide many": (cast.TRAINER, lambda w, me, work: cases.confirm_agreed(w.session, me, [work.uuid], w.now)),
    "undo": (cast.OFFICER, lambda w, me, work: cases.undo(w.session, me, work.uuid, 1, w.now)),
    "release": (cast.OFFICER, lambda w, me, _work: award.release(w.session, me, w.programme, None, w.now)),
    "release all": (cast.OFFICER, lambda w, me, _work: award.release_all(w.session, me, w.programme, w.now, w.now)),
    "close a school's batch": (
        cast.LEAD,
        lambda w, me, _work: batches.close(w.session, me, w.programme, w.schools["希望小学"].uuid, {}, "s", w.now),
    ),
    "certificate": (
        cast.OFFICER,
        lambda w, me, _work: certificates.issue_to(w.session, me, w.programme.uuid, chen(w), "", w.now),
    ),
    "open a round": (
        cast.OFFICER,
        lambda w, me, _work: curate.set_state(
            w.session, me, w.programme.uuid, competencies.ProgrammeState.CLOSED, w.now
        ),
    ),
    "publish a framework": (
        cast.OFFICER,
        lambda w, me, _work: curate.publish_version(w.session, me, w.framework.uuid, w.now),
    ),
    "name a panel": (
        cast.LEAD,
        lambda w, me, _work: panel.name_panel(w.session, me, w.schools["希望小学"].uuid, [], w.now),
    ),
    "give a role": (
        cast.OFFICER,
        lambda w, me, _work: roles.grant_role(w.session, me, chen(w), RoleKind.OFFICER, w.county.uuid, w.now),
    ),
    "invite": (cast.OFFICER, lambda w, me, _work: invitations.invite(w.session, me, RoleKind.OFFICER, w.county, w.now)),
    "merge": (
        cast.OFFICER,
        lambda w, me, _work: merges.merge_persons(w.session, me, chen(w), w.person(cast.WANG).uuid, "同一人", w.now),
    ),
    "confirm a person": (cast.OFFICER, lambda w, me, _work: people.confirm_person(w.session, me, chen(w), w.now)),
    "register a platform": (cast.OFFICER, lambda w, me, _work: platforms.listing(w.session, me)),
    "give a code": (cast.OFFICER, lambda w, me, _work: proofs.give_code(w.session, me, chen(w), w.now)),
}


@pytest.mark.parametrize("name", ACTS)
def test_an_act_waits_for_the_proof(edx: World, name: str) -> None:
    """Refused with what to do, and nothing is written; the same person's proof lets the act go on."""
    who, act = ACTS[name]
    work = hand_in(edx, cast.CHEN, "A3", edx.now - 2 * timedelta(hours=1))
    row, _token = come(edx, who)
    me = seen(edx, row)
    assert me.is_guessable
    before = row_counts(edx.session)
    with pytest.raises(Refused) as refused:
        act(edx, me, work)
    assert refused.value.code == "proof.needed"
    assert written(before, row_counts(edx.session)) == {}
    row.proved_at = edx.now
    said = ""
    try:
        act(edx, seen(edx, row), work)
    except Refused as later:
        said = later.code
    assert said != "proof.needed"


def test_what_needs_a_proof_and_what_does_not(edx: World) -> None:
    """Every permission of the list, whoever holds it; a teacher's own work, reviews and reading go on as ever."""
    everything = tuple(
        RoleScope(kind, unit_path=edx.county.path) for kind in RoleKind if kind not in {RoleKind.TEACHER}
    )
    me = replace(edx.actor(cast.CHEN), roles=everything, is_guessable=True)
    others, mine = replace(somewhere(me), owner_id=None), own(me)
    for permission in Permission:
        scope = others if can(me, permission, others) else mine
        if not can(me, permission, scope):
            continue
        if permission in NEEDS_PROOF:
            with pytest.raises(Refused, match=r"proof\.needed"):
                require(me, permission, scope)
        else:
            require(me, permission, scope)
        require(replace(me, is_guessable=False), permission, scope)
    assert Permission.SUBMISSION_SUBMIT not in NEEDS_PROOF
    with pytest.raises(NotFound):
        require(me, Permission.AWARD_RELEASE, Scope(0))
    with pytest.raises(Forbidden):
        require(replace(me, roles=()), Permission.AWARD_RELEASE, others)


def test_the_whole_way_to_a_proof(edx: World) -> None:
    """An officer gives a code in person, it serves once, the word serves from then on; what was refused is done."""
    hand_in(edx, cast.CHEN, "A3", edx.now)
    row, _token = come(edx, cast.TRAINER)
    page = proofs.page(edx.session, seen(edx, row), row, edx.now)
    assert (page.is_needed, page.has_word, page.has_code) == (True, False, False)
    person = edx.person(cast.TRAINER).uuid
    old = proofs.give_code(edx.session, edx.actor(cast.OFFICER), person, edx.now)
    code = proofs.give_code(edx.session, edx.actor(cast.OFFICER), person, edx.now)
    for wrong in (old, "", "ABCDE-FGHJK"):
        with pytest.raises(Invalid) as refused:
            proofs.by_code(edx.session, seen(edx, row), row, wrong, edx.now)
        assert refused.value.fields == {"code": "proof.code_wrong"}
    with pytest.raises(Refused, match=r"proof\.needed"):
        proofs.choose_word(edx.session, seen(edx, row), WORD, WORD, edx.now)
    proofs.by_code(edx.session, seen(edx, row), row, code, edx.now)
    assert not seen(edx, row).is_guessable
    proofs.choose_word(edx.session, seen(edx, row), WORD, WORD, edx.now)
    kept = edx.session.exec(select(SigningWord)).one()
    assert WORD not in kept.word_hash + kept.code_hash
    assert kept.code_hash == "", "used up"
    again, _token = come(edx, cast.TRAINER, DAY)
    assert seen(edx, again, DAY).is_guessable, "a session of another day, in another browser"
    with pytest.raises(Invalid, match="invalid"):
        proofs.by_word(edx.session, seen(edx, again, DAY), again, WORD + "!", edx.now + DAY)
    proofs.by_word(edx.session, seen(edx, again, DAY), again, WORD, edx.now + DAY)
    page = proofs.page(edx.session, seen(edx, again, DAY), again, edx.now + DAY)
    assert (page.is_needed, page.proved_until) == (False, edx.now + DAY + sessions.PROOF_HOLDS)


def test_a_code_is_one_persons_and_ends(edx: World) -> None:
    code = proofs.give_code(edx.session, edx.actor(cast.OFFICER), edx.person(cast.TRAINER).uuid, edx.now)
    other, _token = come(edx, cast.OTHER_TRAINER)
    with pytest.raises(Invalid):
        proofs.by_code(edx.session, seen(edx, other), other, code, edx.now)
    late, _token = come(edx, cast.TRAINER, proofs.CODE_HOLDS)
    with pytest.raises(Invalid):
        proofs.by_code(edx.session, seen(edx, late, proofs.CODE_HOLDS), late, code, edx.now + proofs.CODE_HOLDS)


def test_who_may_give_a_code(edx: World) -> None:
    """Officers and, of their own school, its lead; never to oneself, and not to somebody of another district."""
    teacher = edx.person(cast.CHEN).uuid
    assert proofs.give_code(edx.session, edx.actor(cast.LEAD), teacher, edx.now)
    grant(edx.session, edx.person(cast.WANG), RoleKind.SEAL, edx.county, edx.now)
    assert proofs.give_code(edx.session, edx.actor(cast.OFFICER), edx.person(cast.WANG).uuid, edx.now)
    for who, whom in (
        (cast.TRAINER, teacher),
        (cast.OFFICER, edx.person(cast.OFFICER).uuid),
        (cast.IT, teacher),
        (cast.LEAD, edx.person(cast.WANG).uuid),  # of the lead's school, and keeps the county's seal
    ):
        with pytest.raises(Forbidden):
            proofs.give_code(edx.session, edx.actor(who), whom, edx.now)
    with pytest.raises(NotFound):
        proofs.give_code(edx.session, replace(edx.actor(cast.OFFICER), tenant_id=0), teacher, edx.now)


def test_nobody_guesses_on(edx: World) -> None:
    """Five wrong ones, then ten minutes of nothing, even of the right one; then it serves again."""
    proved(edx, cast.TRAINER)
    row, _token = come(edx, cast.TRAINER)
    for _wrong in range(proofs.MOST_TRIES):
        with pytest.raises(Invalid):
            proofs.by_word(edx.session, seen(edx, row), row, "not it", edx.now)
    for act in (proofs.by_word, proofs.by_code):
        with pytest.raises(Refused) as refused:
            act(edx.session, seen(edx, row), row, WORD, edx.now)
        assert (refused.value.code, refused.value.params) == ("proof.too_many", {"minutes": 10})
    proofs.by_word(edx.session, seen(edx, row), row, WORD, edx.now + tries.WINDOW)


def test_an_invitation_is_a_proof_too(edx: World) -> None:
    """Who holds the one-time code was handed it: the way of a district's first officer, who has nobody above."""
    _row, code = invitations.make_invitation(edx.session, pk(edx.tenant), RoleKind.OFFICER, edx.county, None, edx.now)
    row, _token = come(edx, cast.CHEN)
    with pytest.raises(Refused, match=r"invitation\.unusable"):
        proofs.by_invitation(edx.session, seen(edx, row), row, "ABCDE", edx.now)
    assert seen(edx, row).is_guessable
    assert proofs.by_invitation(edx.session, seen(edx, row), row, code, edx.now).kind is RoleKind.OFFICER
    assert not seen(edx, row).is_guessable


def test_a_browser_that_proved_its_person_stays_proved_for_them(edx: World) -> None:
    """The next launch there has the proof, no longer than the first; another person's launch, an ended session's and
    another browser's have not."""
    first, token = come(edx, cast.TRAINER)
    first.proved_at = edx.now
    hour = timedelta(hours=1)

    def launched(who: cast.Cast, browser: str, when: timedelta) -> bool:
        row, new = come(edx, who, when)
        sessions.carry_proof(edx.session, hashed(browser), hashed(new), edx.now + when)
        return not seen(edx, row, when).is_guessable

    assert launched(cast.TRAINER, token, hour)
    assert launched(cast.TRAINER, token, 11 * hour), "its own session is over by then, the proof is not"
    assert not launched(cast.TRAINER, token, 12 * hour)
    assert not launched(cast.OTHER_TRAINER, token, hour)
    assert not launched(cast.TRAINER, "nobody's", hour)
    ticket = sessions.issue_ticket(edx.session, first, "window", "", edx.now)
    window, _target = sessions.redeem_ticket(edx.session, ticket, "window", edx.now)
    assert window.session_row.proved_at == edx.now, "a window of its own is the same person's"
    sessions.end_sessions(edx.session, pk(edx.person(cast.TRAINER)), edx.now + hour)
    assert not launched(cast.TRAINER, token, 2 * hour)


def test_from_a_platform_that_proves_who_launches_nothing_is_asked(world: World) -> None:
    """And the word for Open edX can be set there: it is the same person, if an officer merged the accounts."""
    row, _token = come(world, cast.TRAINER)
    page = proofs.page(world.session, seen(world, row), row, world.now)
    assert (page.is_needed, page.proved_until) == (False, None)
    proofs.choose_word(world.session, seen(world, row), WORD, WORD, world.now)
    assert proofs.page(world.session, seen(world, row), row, world.now).has_word


def test_after_a_merge_the_word_that_was_set_last_holds(edx: World) -> None:
    proved(edx, cast.CHEN)
    other, officer = edx.person(cast.WANG), edx.actor(cast.OFFICER)
    row, _token = come(edx, cast.WANG)
    row.proved_at = edx.now
    proofs.choose_word(
        edx.session, seen(edx, row), "换了一个新的口令", "换了一个新的口令", edx.now + timedelta(minutes=1)
    )
    merges.merge_persons(edx.session, officer, edx.person(cast.CHEN).uuid, other.uuid, "同一人", edx.now)
    later, _token = come(edx, cast.WANG)
    with pytest.raises(Invalid):
        proofs.by_word(edx.session, seen(edx, later), later, WORD, edx.now)
    proofs.by_word(edx.session, seen(edx, later), later, "换了一个新的口令", edx.now)


@pytest.mark.parametrize(
    ("word", "fault"),
    [
        ("短的", "length"),
        ("x" * 101, "length"),
        ("12345678", "plain"),
        ("87654321", "plain"),
        ("aaaaaaaa", "plain"),
        ("abababab", "plain"),
        ("{name}{number}", "plain"),
        ("{number}xyz", "plain"),
        ("correct horse", ""),
        ("春眠不觉晓处处闻", ""),
    ],
)
def test_a_word_that_others_would_try_first_is_refused(world: World, word: str, fault: str) -> None:
    person = world.person(cast.CHEN)
    me = world.actor(cast.CHEN)
    typed = word.format(name=person.name, number=person.staff_number)
    if not fault:
        proofs.choose_word(world.session, me, typed, typed, world.now)
        with pytest.raises(Invalid) as refused:
            proofs.choose_word(world.session, me, typed, typed + "x", world.now)
        assert refused.value.fields == {"again": "proof.word_differs"}
        return
    with pytest.raises(Invalid) as refused:
        proofs.choose_word(world.session, me, typed, typed, world.now)
    told = refused.value.fields["first"]
    assert (told if isinstance(told, str) else told[0]) == f"proof.word_{fault}"


def test_two_who_choose_the_same_word_are_kept_apart(world: World) -> None:
    """Salted: who reads the table learns not even that."""
    for who in (cast.CHEN, cast.WANG):
        proofs.choose_word(world.session, world.actor(who), WORD, WORD, world.now)
    first, second = world.session.exec(select(SigningWord.word_hash)).all()
    assert first != second
