"""Two at once: people who press the same button in the same moment, each in a transaction that really commits.

Every answer must be one that a person can live with (done, or "somebody was faster"), and the books must be exact.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, func, select

import competencies
import rubrics
from lms_plugin import db
from lms_plugin.config import Settings
from lms_plugin.db import pk
from lms_plugin.flow import (
    award,
    cases,
    courses,
    curate,
    editing,
    enter,
    invitations,
    messages_mail,
    reversal,
    review,
    sessions,
)
from lms_plugin.people import Course, Enrolment, Notice, Person, Role, RoleKind, WebSession
from tests import people as cast
from tests.competencies import packs_made
from tests.factories import Browser, World, course_of, member_row, programme_of, world_in
from tests.flow.handed_in import all_marks, cast_of, hand_in, judgement, reviews_of, version_of
from tests.serving import application

HOUR = timedelta(hours=1)
TOGETHER = 4


@dataclass
class House:
    """A tool on a database that commits, and a session that looks at it."""

    app: Flask
    world: World
    factory: "sessionmaker[Session]"
    browsers: dict[str, Browser] = field(default_factory=dict)

    @property
    def session(self) -> Session:
        return self.world.session

    def enter(self, *who: cast.Cast) -> None:
        """Signs these people in, each in a browser of their own."""
        for one in who:
            self.browsers[one.key] = self.world.sign_in(self.app.test_client(), one)
        self.session.commit()

    def look(self) -> Session:
        """The session, with nothing remembered."""
        self.session.rollback()
        self.session.expire_all()
        return self.session

    def post(self, who: cast.Cast, url: str, data: dict[str, Any]) -> int:
        """What the tool answers; a client of its own, so that threads share nothing."""
        known = self.browsers[who.key]
        client = self.app.test_client()
        cookie = known.client.get_cookie("__Host-nengli", domain="localhost")
        client.set_cookie("__Host-nengli", cookie.value, domain="localhost", secure=True)
        return int(Browser(client, known.csrf).post(url, data).status_code)


@contextmanager
def opened(url: str, settings: Settings, now: datetime) -> Iterator[House]:
    made = db.engine(url)
    factory = db.session_factory(made)
    with application(settings, clock=lambda: now, sessions=factory) as app, factory() as session:
        db.writes(session)
        world = world_in(session, now)
        session.commit()
        db.writes(session)
        yield House(app, world, factory)
    made.dispose()


@pytest.fixture
def house(own_district_url: str, settings: Settings, now: datetime) -> Iterator[House]:
    with opened(own_district_url, settings, now) as found:
        yield found


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """All of them in the same moment; what each gives, or the error it raises."""
    start, found = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place: int, act: Callable[[], Any]) -> None:
        start.wait()
        try:
            found[place] = act()
        except Exception as error:
            found[place] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def decided(house: House, who: cast.Cast, *codes: str) -> list[str]:
    """Works with a decision (合格) that waits for release."""
    world, found = house.world, []
    trainer = world.actor(cast.TRAINER)
    for code in codes:
        work = hand_in(world, who, code, world.now - 2 * HOUR)
        cases.decide(world.session, trainer, work.uuid, judgement(all_marks(world, work, 1)), 0, 1, world.now)
        found.append(work.uuid)
    house.session.commit()
    return found


def balance(house: House, who: cast.Cast) -> int:
    person = pk(house.world.person(who))
    found = competencies.balance(house.look(), pk(house.world.programme), [person])
    return found[person][competencies.CreditKind.PRACTICE]


@pytest.mark.parametrize("kind", ["per_set", "per_point_cumulative", "per_level"])
def test_points_of_one_person_released_by_several_people_at_once(house: House, kind: str) -> None:
    rules = house.world.set_rules(hours={"kind": kind})
    works = decided(house, cast.CHEN, "A3", "A5", "B1")
    house.enter(cast.OFFICER)
    url = f"/release/{house.world.programme.uuid}"
    house.session.rollback()
    answers = at_once(*[lambda work=work: house.post(cast.OFFICER, url, {"case": work}) for work in works])
    assert answers == [303, 303, 303]
    expected = 3 * rules.hours.pass_hundredths if kind == "per_level" else rules.hours.practice_hundredths
    assert balance(house, cast.CHEN) == expected


def test_counting_waits_for_the_other_release(house: House) -> None:
    """Held at the point where both have read and neither has written."""
    works = decided(house, cast.CHEN, "A3", "A5", "B1")
    world, officer = house.world, house.world.actor(cast.OFFICER)
    person, programme, now = pk(world.person(cast.CHEN)), pk(world.programme), world.now
    house.session.rollback()
    both_read = threading.Barrier(len(works))

    def act(work: str) -> None:
        with house.factory() as session:
            db.writes(session)
            award.release(session, officer, db.get(session, competencies.Programme, programme), [work], now)
            with contextlib.suppress(threading.BrokenBarrierError):  # the others wait for this one, as they should
                both_read.wait(0.3)
            session.commit()

    assert at_once(*[lambda work=work: act(work) for work in works]) == [None] * 3
    found = competencies.balance(house.look(), programme, [person])[person]
    assert found[competencies.CreditKind.PRACTICE] == 2500


def test_a_release_pressed_several_times_credits_once(house: House) -> None:
    works = decided(house, cast.CHEN, "A3", "A5", "B1")
    house.enter(cast.OFFICER)
    url = f"/release/{house.world.programme.uuid}"
    house.session.rollback()
    answers = at_once(*[lambda: house.post(cast.OFFICER, url, {"case": works})] * TOGETHER)
    assert set(answers) == {303}
    assert balance(house, cast.CHEN) == 2500
    rows = house.session.exec(select(competencies.Award).where(col(competencies.Award.revoked_at).is_(None))).all()
    assert len(rows) == 3


def test_a_batch_closed_by_several_people_at_once_is_one_batch(house: House) -> None:
    """Lead and officer press 结批 in the same moment: one batch with one draw, the others are told."""
    world = house.world
    world.set_rules(chain={"check": True, "publicity": True})
    decided(house, cast.CHEN, "A3", "A5")
    house.enter(cast.LEAD, cast.OFFICER)
    url = f"/chain/{world.programme.uuid}/{world.schools['希望小学'].uuid}"
    house.session.rollback()
    presses = [lambda who=who: house.post(who, url, {}) for who in (cast.LEAD, cast.OFFICER, cast.LEAD, cast.OFFICER)]
    answers = at_once(*presses)
    assert sorted(answers) == [303, 422, 422, 422], answers
    batch = house.look().exec(select(competencies.SchoolBatch)).one()
    works = competencies.works_of(house.session, batch)
    assert (batch.round, len(works)) == (1, 2)
    assert competencies.batches.draw_of(batch, works) == {row.uuid: work.drawn for work, row in works if work.drawn}


def test_a_reversal_asked_for_several_times_happens_once(house: House) -> None:
    works = decided(house, cast.CHEN, "A3", "A5", "B1")
    world, officer = house.world, house.world.actor(cast.OFFICER)
    award.release(house.session, officer, world.programme, works, world.now)
    house.session.commit()
    held = house.session.exec(select(competencies.Award).order_by(col(competencies.Award.id))).all()[0].uuid
    programme, person, now = world.programme.uuid, world.person(cast.CHEN).uuid, world.now
    house.session.rollback()
    done = []

    def act() -> None:
        with db.transaction(house.factory) as session:
            done.append(reversal.reverse(session, officer, programme, person, "award", held, "误录", now))

    assert at_once(*[act] * TOGETHER) == [None] * TOGETHER
    assert done.count(True) == 1
    assert balance(house, cast.CHEN) == 0
    house.look()
    assert len(house.session.exec(select(competencies.CreditEntry)).all()) == 2


def test_an_address_that_is_posted_twice_at_once_is_sent_one_code(house: House) -> None:
    """The first time there is no row to wait for; later there is one that both have read."""
    chen = house.world.actor(cast.CHEN)
    house.session.rollback()
    for at in (house.world.now, house.world.now + HOUR):

        def act(at: datetime = at) -> None:
            with db.transaction(house.factory) as session:
                messages_mail.set_address(session, chen, "chen@school.example", 9, at)

        answers = at_once(*[act] * TOGETHER)
        assert answers.count(None) == 1
        told = {getattr(one, "code", one) for one in answers if one is not None}
        assert told == {"mail.code_too_often"}


def test_two_trainers_decide_one_work(house: House) -> None:
    world = house.world
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    house.enter(cast.TRAINER, cast.OTHER_TRAINER)
    form = {"base": "0", "number": "1", "act": "decide"}
    for key, draft in all_marks(world, work, 1).items():
        form[f"m.{key.item_key}.{key.criterion_key}"] = str(draft.level)
    url = f"/cases/{work.uuid}"
    house.session.rollback()
    answers = at_once(*[lambda who=who: house.post(who, url, form) for who in (cast.TRAINER, cast.OTHER_TRAINER) * 2])
    assert sorted(answers) == [303, 409, 409, 409]
    assert len(house.look().exec(select(competencies.Decision)).all()) == 1


def test_a_trainer_decides_while_the_author_withdraws(house: House) -> None:
    world = house.world
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    house.enter(cast.TRAINER, cast.CHEN)
    form = {"base": "0", "number": "1", "act": "decide"}
    for key, draft in all_marks(world, work, 1).items():
        form[f"m.{key.item_key}.{key.criterion_key}"] = str(draft.level)
    uuid = work.uuid
    house.session.rollback()
    answers = at_once(
        lambda: house.post(cast.TRAINER, f"/cases/{uuid}", form),
        lambda: house.post(cast.CHEN, f"/submissions/{uuid}/withdraw", {}),
    )
    assert all(status < 500 for status in answers), answers
    house.look()
    house.session.refresh(work)
    decisions = house.session.exec(select(competencies.Decision)).all()
    if work.state is competencies.SubmissionState.DRAFT:
        assert (decisions, answers[1]) == ([], 303)
    else:
        assert (work.state, len(decisions), answers[0]) == (competencies.SubmissionState.DECIDED, 1, 303)


def test_all_reviewers_hand_in_at_once(house: House) -> None:
    """What the reviews say together counts all of them, whoever came first."""
    world = house.world
    works = [hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS]
    world.set_rules(review={"reviews_per_work": 3, "pool": "district"})
    review.allocate(house.session, world.actor(cast.OFFICER), world.programme, 3, world.now)
    rows = reviews_of(world, works[0])
    who = [cast_of(world, one.reviewer_id) for one in rows]
    for one, reader in zip(rows, who, strict=True):
        review.open_review(house.session, world.actor(reader), one.uuid, world.now)
    house.enter(*who)
    forms = []
    for one in rows:
        form = {"version": str(one.version)}
        for key, draft in all_marks(world, works[0], 1).items():
            form[f"m.{key.item_key}.{key.criterion_key}"] = str(draft.level)
        forms.append((f"/reviews/{one.uuid}/submit", form))
    house.session.rollback()
    answers = at_once(
        *[
            lambda reader=reader, url=url, form=form: house.post(reader, url, form)
            for reader, (url, form) in zip(who, forms, strict=True)
        ]
    )
    assert answers == [303, 303, 303]
    summary = house.look().exec(select(rubrics.ReviewSummary)).one()
    assert (summary.submitted, summary.is_agreed) == (3, True)


def test_allotting_twice_at_once_gives_nobody_more(house: House) -> None:
    world = house.world
    for who in cast.TEACHERS:
        hand_in(world, who, "A3", world.now - 2 * HOUR)
    house.enter(cast.OFFICER)
    url = f"/reviews/allocation/{world.programme.uuid}"
    house.session.rollback()
    answers = at_once(*[lambda: house.post(cast.OFFICER, url, {})] * 3)
    assert 303 in answers
    assert set(answers) <= {303, 409}
    counts = house.look().exec(
        select(func.count()).select_from(rubrics.Review).group_by(col(rubrics.Review.submission_version_id))
    )
    assert set(counts) == {2}


def test_one_invitation_makes_one_officer(house: House) -> None:
    world = house.world
    officer = world.actor(cast.OFFICER)
    _row, code = invitations.invite(house.session, officer, RoleKind.AUDITOR, world.county, world.now)
    people = (cast.CHEN, cast.WANG, cast.LI, cast.ZHAO)
    house.enter(*people)
    house.session.rollback()
    answers = at_once(*[lambda who=who: house.post(who, f"/invitation/{code}", {}) for who in people])
    assert sorted(answers) == [303, 422, 422, 422]
    ids = [pk(world.person(who)) for who in people]
    roles = house.look().exec(select(Role).where(Role.kind == RoleKind.AUDITOR, col(Role.person_id).in_(ids))).all()
    assert len(roles) == 1


def test_one_ticket_opens_one_window(house: House) -> None:
    world = house.world
    entrance = sessions.open_session(house.session, world.person(cast.CHEN), world.course, 8 * HOUR, world.now)
    ticket = sessions.issue_ticket(house.session, entrance.session_row, "download", "/points", world.now)
    house.session.commit()
    before = house.session.exec(select(func.count()).select_from(WebSession)).one()
    house.session.rollback()
    answers = at_once(*[lambda: int(house.app.test_client().get(f"/lti/tickets/{ticket}").status_code)] * TOGETHER)
    assert sorted(answers) == [303, 422, 422, 422]
    assert house.look().exec(select(func.count()).select_from(WebSession)).one() == before + 1


def test_handing_in_twice_makes_one_version(house: House) -> None:
    world = house.world
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    competencies.take_back(house.session, work, version_of(world, work), world.now)
    work.self_marks = {}
    world.set_rules(review={"self_marks": False})
    house.enter(cast.CHEN)
    url = f"/submissions/{work.uuid}/submit"
    house.session.rollback()
    answers = at_once(*[lambda: house.post(cast.CHEN, url, {})] * TOGETHER)
    assert len(set(answers)) == 1
    versions = house.look().exec(
        select(competencies.SubmissionVersion).where(col(competencies.SubmissionVersion.withdrawn_at).is_(None))
    )
    assert len(versions.all()) == (1 if answers[0] == 303 else 0)


def test_choosing_twice_gives_the_same_answer(house: House) -> None:
    house.enter(cast.CHEN)
    url = f"/programmes/{house.world.programme.uuid}/points"
    house.session.rollback()
    answers = at_once(*[lambda: house.post(cast.CHEN, url, {"point": ["A3", "A5", "A6"]})] * TOGETHER)
    assert answers == [303] * TOGETHER
    assert len(house.look().exec(select(competencies.Selection)).all()) == 3


def test_a_class_that_comes_at_once_is_enrolled_once_each(house: House) -> None:
    world = house.world
    programme, now = pk(world.programme), world.now
    people = [pk(person) for key, person in world.persons.items() if key in {who.key for who in cast.TEACHERS}]
    house.session.rollback()

    def act(person: int) -> str:
        with db.transaction(house.factory) as session:
            enter.enrol(session, programme, person, now)
            return db.get(session, Person, person).name

    answers = at_once(*[lambda person=person: act(person) for person in people])
    assert all(isinstance(answer, str) for answer in answers), answers


def test_two_trainers_answer_at_once_which_programme_a_course_runs(house: House) -> None:
    """The first word counts, the second is told; nobody is enrolled in both."""
    world, session = house.world, house.session
    course = course_of(session, world.tenant, "new", world.now, issuer="https://new.example")
    mine = [programme_of(session, world.tenant, world.county, world.framework, f"第{n}期", world.now) for n in (1, 2)]
    learner = member_row(pk(course), pk(world.person(cast.LEAD)), world.now, "s")
    session.add(learner)
    house.enter(cast.TRAINER, cast.OTHER_TRAINER)
    url, uuids, key = f"/courses/{course.uuid}/programme", [one.uuid for one in mine], learner.person_id
    session.rollback()
    answers = at_once(
        lambda: house.post(cast.TRAINER, url, {"programme": uuids[0]}),
        lambda: house.post(cast.OTHER_TRAINER, url, {"programme": uuids[1]}),
    )
    assert sorted(answers) == [303, 409]
    assert len(house.look().exec(select(Enrolment).where(Enrolment.person_id == key)).all()) == 1


def test_a_learner_comes_while_the_course_gets_its_programme(house: House) -> None:
    """Held where the learner has found no programme and the trainer has found no learner: nobody is lost."""
    world, session = house.world, house.session
    course = course_of(session, world.tenant, "new", world.now, issuer="https://new.example")
    learner, key, programme, now = pk(world.person(cast.LEAD)), pk(course), world.programme.uuid, world.now
    trainer, uuid = world.actor(cast.TRAINER), course.uuid
    session.commit()
    session.rollback()
    is_there, is_bound = threading.Event(), threading.Event()

    def come() -> None:
        with db.transaction(house.factory) as own:
            found = db.get(own, Course, key)
            own.add(member_row(key, learner, now, "s"))
            own.flush()
            is_there.set()
            is_bound.wait(0.5)  # where the trainer waits for this one, that is as it should be
            enter._learner(own, found, learner, now)

    def bind() -> None:
        is_there.wait(5)
        with db.transaction(house.factory) as own:
            courses.bind_course(own, trainer, uuid, programme, now)
        is_bound.set()

    assert at_once(come, bind) == [None, None]
    rows = house.look().exec(select(Enrolment).where(Enrolment.person_id == learner)).all()
    assert len(rows) == 1
    assert house.session.exec(select(Notice).where(col(Notice.done_at).is_(None))).all() == []


def test_curators_who_save_different_points_in_one_moment_lose_nothing(house: House) -> None:
    house.enter(cast.OFFICER)
    base = {"how": "next", "base": house.world.framework.uuid}
    house.session.rollback()
    assert set(at_once(*[lambda: house.post(cast.OFFICER, "/curate/begin", base)] * TOGETHER)) == {303}
    draft = (
        house.look()
        .exec(
            select(competencies.FrameworkVersion).where(
                competencies.FrameworkVersion.state == competencies.VersionState.DRAFT
            )
        )
        .one()
    )
    url, content = f"/curate/frameworks/{draft.uuid}", draft.content
    house.session.rollback()

    def save(code: str) -> int:
        words = competencies.editing.own_words(competencies.editing.point_of(content, code))
        seen = competencies.edition(words)
        typed = {name: text for name, text in words.items() if isinstance(text, str)}
        return house.post(cast.OFFICER, f"{url}/points/{code}", {**typed, "name_zh": f"{code} 改过", "seen": seen})

    codes = ("A1", "A2", "B1", "C1")
    assert at_once(*[lambda code=code: save(code) for code in codes]) == [303] * 4
    house.look().refresh(draft)
    assert [competencies.editing.point_of(draft.content, code)["name_zh"] for code in codes] == [
        f"{code} 改过" for code in codes
    ]


def test_a_draft_thrown_away_twice_in_one_moment_goes_once(house: House) -> None:
    house.enter(cast.OFFICER)
    own = {"how": "own", "base": house.world.framework.uuid, "title_zh": "本地", "code": "local-9"}
    house.session.rollback()
    assert house.post(cast.OFFICER, "/curate/begin", own) == 303
    is_draft = competencies.FrameworkVersion.state == competencies.VersionState.DRAFT
    draft = house.look().exec(select(competencies.FrameworkVersion).where(is_draft)).one()
    url, seen = f"/curate/frameworks/{draft.uuid}/discard", {"seen": draft.content_hash}
    house.session.rollback()
    assert at_once(*[lambda: house.post(cast.OFFICER, url, seen)] * TOGETHER) == [303] * TOGETHER
    events = house.look().exec(select(competencies.FrameworkEvent)).all()
    assert [one.kind for one in events].count("discarded") == 1


def test_files_taken_in_twice_in_one_moment_are_there_once(house: House) -> None:
    house.enter(cast.OFFICER)
    house.session.rollback()
    file = (BytesIO(json.dumps(packs_made.least()).encode()), "a.json")
    sent = house.browsers["officer"].post("/curate/import", {"file": file}, content_type="multipart/form-data")
    for url in (sent.headers["Location"], "/curate/references/shipped/all"):
        assert at_once(*[lambda url=url: house.post(cast.OFFICER, url, {})] * TOGETHER) == [303] * TOGETHER
    assert len(house.look().exec(select(competencies.FrameworkVersion)).all()) == 2
    assert len(house.session.exec(select(competencies.ReferenceVersion)).all()) == 3


def test_teachers_who_choose_while_their_round_goes_over(house: House) -> None:
    world, officer = house.world, house.world.actor(cast.OFFICER)
    draft = editing.begin_next(house.session, officer, world.framework.uuid, world.now)
    words = competencies.editing.own_words(competencies.editing.point_of(draft.content, "A2"))
    changed = competencies.editing.put_point(draft.content, "A2", {**words, "name_zh": "改过"})
    competencies.editing.keep_draft(house.session, draft, changed)
    curate.publish(house.session, draft, officer.person_id, world.now, under_banner=True)
    new, url = pk(draft), f"/curate/programmes/{world.programme.uuid}/move"
    form = {"to": draft.uuid, "version": world.programme.version}
    teachers = (cast.CHEN, cast.WANG, cast.LI)
    house.enter(cast.OFFICER, *teachers)
    house.session.rollback()
    points = f"/programmes/{world.programme.uuid}/points"
    answers = at_once(
        lambda: house.post(cast.OFFICER, url, form),
        *[lambda who=who: house.post(who, points, {"point": ["A3", "A5", "B1"]}) for who in teachers],
    )
    assert answers == [303] * 4
    rows = (
        house.look()
        .exec(
            select(competencies.CompetencyPoint.framework_version_id, competencies.Submission.point_id)
            .join(competencies.Selection, col(competencies.Selection.point_id) == col(competencies.CompetencyPoint.id))
            .join(
                competencies.Submission,
                (col(competencies.Submission.point_id) == col(competencies.Selection.point_id))
                & (col(competencies.Submission.person_id) == col(competencies.Selection.person_id)),
            )
            .where(col(competencies.Selection.dropped_at).is_(None))
        )
        .all()
    )
    assert [version for version, _work in rows] == [new] * 9
