"""Rows N and C: lists and groups of fake hosts through our worker and queue, and what of them is kept."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin import outbox
from lms_plugin.db import get, pk, transaction
from lms_plugin.flow import host_list, review
from lms_plugin.outbox import Job, JobState
from lms_plugin.people import Course, HostList, ListedGroup, ListedMember, Person
from tests import people as cast
from tests.flow.handed_in import hand_in
from tests.fuzzing import times
from tests.hosts import fake
from tests.hosts.fake import Host, Moodle, OpenEdx, Said
from tests.lti.conformance.bench import INSTRUCTOR, Jar, Platform
from tests.lti.conformance.conftest import Opened
from tests.lti.conformance.office import Office, subject

GROUPS = "https://purl.imsglobal.org/spec/lti-gs/claim/groupsservice"


def read(here: Office) -> None:
    """The course's list is asked for and the queue is worked off once; time goes on a little."""
    with transaction(here.sessions) as session:
        host_list.ask(session, get(session, Course, pk(here.bench.world.course)), here.now)
    here.worker().run_due()
    here.later(60)


def people(here: Office) -> dict[str, ListedMember]:
    with here.sessions() as session:
        return {row.subject: row for row in session.exec(select(ListedMember).order_by(col(ListedMember.id)))}


def state(here: Office) -> HostList:
    with here.sessions() as session:
        return session.exec(select(HostList)).one()


def job(here: Office) -> Job:
    with here.sessions() as session:
        wanted = select(Job).where(Job.kind == outbox.MEMBERS).order_by(col(Job.id).desc())
        return session.exec(wanted).all()[0]


@pytest.mark.parametrize("kind", [Moodle, OpenEdx, fake.Canvas, Host])
def test_N01_N05_kept_as_listed(at: Opened, kind: type[Host]) -> None:
    """The worker reads the whole list of each product and keeps it: names as people write them, teachers who may not
    edit as the learners that Moodle lists them for; nobody is made a person, takes part, or is counted by it."""
    here = at(kind)
    here.crowd(24)
    before = here.bench.counts()
    here.host.enrol(fake.Person("z", "Zoë & Co", (fake.MEMBERSHIP + "Instructor",)), fake.Person("new", "没来过"))
    read(here)
    found = people(here)
    assert set(found) == set(here.host.people)
    assert (found["z"].name, found["z"].is_instructor, found["z"].is_learner) == ("Zoë & Co", True, False)
    assert (state(here).error, state(here).read_at) == ("", state(here).whole_at)
    after = here.bench.counts()
    grown = {name: after[name] - number for name, number in before.items() if after[name] != number}
    assert grown == {"host_list": 1, "listed_member": len(found), "job": 1, "lti_access_token": 1}
    read(here)
    assert people(here)["z"].first_seen_at == found["z"].first_seen_at < people(here)["z"].last_seen_at


def test_N05_a_part_is_no_list(at: Opened) -> None:
    """A list whose second page does not come, comes a second time, or is no list: what was kept stays, row for row, the
    course's page says why, and the next reading is whole again."""
    here = at(fake.Canvas)
    here.crowd(20)
    read(here)
    kept = {key: row.model_dump() for key, row in people(here).items()}
    for second in (Said(500), Said(200, {"members": None}), Said(200, {"members": [{"roles": []}]}), "loop"):

        def trouble(asked: fake.Asked, second: Said | str = second) -> Said | None:
            if asked.wants != "GET memberships":
                return None
            if "start" in asked.query and isinstance(second, Said):
                return second
            there = here.host.memberships() + "?limit=1&start=1"
            row = {"user_id": "sub-0", "status": "Active", "roles": []}
            return Said(200, {"members": [row]}, headers={"Link": f'<{there}>; rel="next"'})

        here.host.trouble = trouble
        read(here)
        assert {key: row.model_dump() for key, row in people(here).items()} == kept
        assert state(here).error in {"ags.refused", "nrps.no_members", "ags.pages"}
    here.host.trouble = lambda _asked: None
    read(here)
    assert (state(here).error, state(here).words) == ("", "")


def test_N06_only_what_has_changed(at: Opened) -> None:
    """Where the host offered it, the next reading asks for the differences alone: who left stays with the day since
    when, who came is there, and all others too; where the host does not know them any more, and once a week, the whole
    list is read."""
    here, asked_for = at(Host), []
    rows: dict[str, list[dict[str, Any]]] = {
        "": [{"user_id": "8", "roles": ["Learner"]}, {"user_id": "9"}, {"user_id": "10", "status": "Inactive"}],
        "1": [{"user_id": "9", "status": "Deleted"}, {"user_id": "11"}],
    }

    def trouble(asked: fake.Asked) -> Said | None:
        if asked.wants != "GET memberships":
            return None
        since = asked.query.get("since", "")
        asked_for.append(since)
        following = int(since or 0) + 1
        if since not in rows:
            return Said(404)
        link = {"Link": f'<{here.host.memberships()}?since={following}>; rel="differences"'}
        return Said(200, {"members": rows[since]}, headers=link)

    here.host.trouble = trouble
    read(here)
    read(here)
    found = people(here)
    assert asked_for == ["", "1"]
    assert {key for key, row in found.items() if row.absent_since_at is None} == {"8", "10", "11"}
    assert found["9"].absent_since_at is not None
    rows[""] = [{"user_id": "8"}, {"user_id": "11"}]
    read(here)  # ?since=2 is gone
    assert asked_for == ["", "1", "2", ""]
    assert {key for key, row in people(here).items() if row.absent_since_at is None} == {"8", "11"}
    here.later(8 * 86400)
    read(here)
    assert asked_for[4:] == [""]


@pytest.mark.parametrize("kind", [Moodle, Host])
def test_N08_history(at: Opened, kind: type[Host]) -> None:
    """Suspended people are kept as such where the host lists them; whom it lists no more (Moodle never says why) stays
    with the day since when and gets no new work, and who comes back is there again with the day of the first time."""
    here = at(kind)

    def left() -> set[int]:
        with here.sessions() as session:
            who = select(Person.id).where(host_list.has_left(Person, pk(here.bench.world.programme)))
            return set(session.exec(who))

    here.later(60)
    read(here)
    gone = here.host.people.pop(subject(cast.CHEN))
    here.host.enrol(fake.Person("s", status="Inactive"))
    read(here)
    found = people(here)
    assert found[gone.key].absent_since_at is not None
    assert left() == {pk(here.member(cast.CHEN))}
    assert [row.is_active for key, row in found.items() if key == "s"] == ([] if kind is Moodle else [False])
    here.host.enrol(gone)
    read(here)
    back = people(here)[gone.key]
    assert (back.absent_since_at, back.first_seen_at) == (None, found[gone.key].first_seen_at)
    assert left() == set()


WHOLE = st.lists(st.sampled_from("1234"), unique=True)
FAULTS = st.sampled_from(["500", "no members", "nobody's entry", "loop", "no JSON", "cut"])


def test_N08_N10_any_sequence_of_answers(at: Opened) -> None:
    """Whole lists in pages, refusals, parts, loops, pages that are none and cut connections, in any order: whoever was
    listed once stays for ever, a failure changes nobody, and a list is shortened only by a whole one that says so."""
    here, said = at(Host), dict[str, Any](now=[])

    def trouble(asked: fake.Asked) -> Said | None:
        if asked.wants != "GET memberships":
            return None
        now, page = said["now"], int(asked.query.get("start", 0))
        link = {"Link": f'<{here.host.memberships()}?start={page + 1}>; rel="next"'}
        if isinstance(now, list):
            rows = [{"user_id": one} for one in now[page * 2 : page * 2 + 2]]
            return Said(200, {"members": rows}, headers=link if len(now) > page * 2 + 2 else {})
        if not page:
            return Said(200, {"members": [{"user_id": "1"}]}, headers=link)
        faults = {
            "500": Said(500),
            "no members": Said(200, {}),
            "nobody's entry": Said(200, {"members": [{"name": "x"}]}),
            "loop": Said(200, {"members": []}, headers={"Link": f'<{here.host.memberships()}?start=1>; rel="next"'}),
            "no JSON": Said(200, "<html>"),
        }
        return faults.get(now)

    here.host.trouble = trouble
    here.host.cut = lambda one: said["now"] == "cut" and one.wants == "GET memberships"

    @settings(max_examples=times(15), deadline=None)
    @given(answers=st.lists(WHOLE | FAULTS, min_size=1, max_size=5))
    def holds(answers: list[Any]) -> None:
        for answer in answers:
            before = people(here)
            listed = {key for key, row in before.items() if row.absent_since_at is None}
            said["now"] = answer
            read(here)
            after = people(here)
            assert set(after) >= set(before)
            if isinstance(answer, str) or (not answer and listed):
                assert {key: row.model_dump() for key, row in after.items()} == {
                    key: row.model_dump() for key, row in before.items()
                }
                assert state(here).error
            else:
                assert {key for key, row in after.items() if row.absent_since_at is None} == set(answer)
                assert all(after[key].first_seen_at == row.first_seen_at for key, row in before.items())
                assert not state(here).error

    holds()


@pytest.mark.parametrize("body", [{}, {"members": None}, [], "<html>", {"members": []}])
def test_N10_roster_untouched(at: Opened, body: Any) -> None:
    """200 without `members`, or with nobody in it where there were people before: an error on the course's page, and
    every row as it was."""
    here = at(Host)
    read(here)
    kept = {key: row.model_dump() for key, row in people(here).items()}
    here.host.trouble = lambda one: Said(200, body) if one.wants == "GET memberships" else None
    read(here)
    assert {key: row.model_dump() for key, row in people(here).items()} == kept
    assert state(here).error in {"nrps.no_members", "net.not_json", "nrps.emptied"}
    assert state(here).read_at != state(here).tried_at
    assert job(here).state is (JobState.FAILED if body == {"members": []} else JobState.READY)


def test_C01_groups(at: Opened) -> None:
    """Groups and their sets, all pages, and who is in which, by the members' group ids; a group that is no more stays
    in the history."""
    here = at(fake.Canvas)
    here.host.granted.add(fake.GROUPS)
    here.host.sets = [{"id": "s1", "name": "互评组"}]
    here.host.groups = [{"id": one, "name": f"第{one}组", "set_id": "s1"} for one in range(12)]
    here.host.people[subject(cast.CHEN)].groups = ("3", "11")
    url = here.host.group_list()
    here.set_course(groups_url=url, group_sets_url=url.replace("groups", "sets"))
    read(here)
    assert people(here)[subject(cast.CHEN)].groups == ["11", "3"]
    assert groups(here) == {str(one): (f"第{one}组", "互评组", True) for one in range(12)}
    assert state(here).groups_error == ""
    here.host.groups = here.host.groups[1:]
    here.later(2 * 86400)
    read(here)
    assert groups(here)["0"] == ("第0组", "互评组", False)
    assert groups(here)["1"][2]


def test_C01_review_groups(at: Opened) -> None:
    """Where the programme says so, whoever reviews a work shares a group with its author; a move between groups counts
    after the next reading."""
    here = at(fake.Canvas)
    world = here.bench.world
    world.session.expire_all()
    works = {pk(hand_in(world, who, "A3", here.now - timedelta(hours=2))): who.key for who in cast.TEACHERS}
    known = {pk(world.person(who)): who.key for who in cast.TEACHERS}
    world.set_rules(review={"pool": "district", "course_groups": "only"})
    officer, programme_id = world.actor(cast.OFFICER), pk(world.programme)
    world.session.commit()
    here.host.granted.add(fake.GROUPS)
    here.host.groups = [{"id": "a", "name": "甲组"}, {"id": "b", "name": "乙组"}]
    of = {who.key: "ab"[n % 2] for n, who in enumerate(cast.TEACHERS)}
    for key, group in of.items():
        here.host.people[f"sub-{key}"].groups = (group,)
    here.host.people[subject(cast.CHEN)].groups = ()
    here.set_course(groups_url=here.host.group_list())
    read(here)

    def allot() -> tuple[int, set[tuple[str, str]]]:
        with transaction(here.sessions) as session:
            programme = get(session, competencies.Programme, programme_id)
            made = review.allocate(session, officer, programme, 5, here.now)
            pairs = session.exec(select(rubrics.Review.submission_id, rubrics.Review.reviewer_id)).all()
            short = sum(one["short"] for one in made.shortages)
        return short, {(works[work], known[person]) for work, person in pairs}

    short, pairs = allot()
    assert short == 2 + 2 * 1  # hers, and one of each of her two mates
    assert all(of[author] == of[reviewer] for author, reviewer in pairs)
    here.host.people[subject(cast.CHEN)].groups = (of["chen"],)
    here.later(3600)
    read(here)
    short, pairs = allot()
    assert (short, len(pairs)) == (0, 12)
    assert all(of[author] == of[reviewer] for author, reviewer in pairs)


def groups(here: Office) -> dict[str, tuple[str, str, bool]]:
    with here.sessions() as session:
        found = session.exec(select(ListedGroup).order_by(col(ListedGroup.id))).all()
        return {one.key: (one.name, one.set_name, one.absent_since_at is None) for one in found}


def test_C02_no_groups(at: Opened) -> None:
    """No claim: nobody is asked about groups. A claim whose right the host then refuses, or whose answer is none: the
    list is kept all the same, without groups."""
    here = at(Host)
    read(here)
    assert not here.host.requests("GET groups")
    assert {one.query.get("groups") for one in here.host.requests("GET memberships")} == {None}
    here.set_course(groups_url=here.host.group_list())
    here.later(8 * 86400)
    read(here)
    assert (state(here).error, state(here).groups_error) == ("", "ags.token_refused")
    here.host.granted.add(fake.GROUPS)
    here.host.trouble = lambda one: Said(200, {"groups": {}}) if one.wants == "GET groups" else None
    here.later(8 * 86400)
    read(here)
    assert (state(here).error, state(here).groups_error) == ("", "nrps.no_members")
    assert groups(here) == {}
    assert len(people(here)) == len(cast.TEACHERS)


def test_C01_C02_claim(platform: Platform) -> None:
    """The claim of a launch is kept with the course; where it names scopes and the right to read is not among them, it
    counts as absent; odd ones are refused or ignored."""
    offer = {"context_groups_url": "https://lms.example/g", "context_group_sets_url": "https://lms.example/s"}
    for scope, kept in ((None, True), ([fake.GROUPS], True), (["https://x.example/write"], False)):
        claim = offer | ({} if scope is None else {"scope": scope})
        nrps = {"context_memberships_url": "https://lms.example/m"}
        names = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
        platform.good(**{GROUPS: claim, names: nrps, "https://purl.imsglobal.org/spec/lti/claim/roles": [INSTRUCTOR]})
        with Session(platform.bench.engine) as session:
            course = session.exec(select(Course).order_by(col(Course.id).desc())).all()[0]
            expected = ("https://lms.example/g", "https://lms.example/s") if kept else ("", "")
            assert (course.groups_url, course.group_sets_url) == expected
    assert platform.launch(Jar(), **{GROUPS: {"context_groups_url": ["x"]}}).status_code == 400


def test_N01_the_timer(at: Opened) -> None:
    """A list is read once a day, by the worker's own clock."""
    here = at(Moodle)
    worker = here.worker()
    worker.tick()
    worker.run_due()
    assert len(here.host.requests("GET memberships")) == 1
    here.later(3600)
    worker.tick()
    worker.run_due()
    assert len(here.host.requests("GET memberships")) == 1
    here.later(timedelta(days=1).total_seconds())
    worker.tick()
    worker.run_due()
    assert len(here.host.requests("GET memberships")) == 2
