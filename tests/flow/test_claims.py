"""再领一份: who wants reviews more, one work at a time; need and the reviews that there are always agree."""

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, NullPool, create_engine, insert, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import Session, col, func, select

import competencies
import rubrics
from lms_plugin.access import Actor
from lms_plugin.db import new_uuid, pk, table, transaction
from lms_plugin.db import session_factory as sessions_of
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import cases, claims, conflicts, review
from lms_plugin.people import Enrolment, Person, RoleKind, RosterEntry
from tests import people as cast
from tests.factories import World, add_person, grant, world_in
from tests.flow.handed_in import all_marks, cast_of, finish_review, hand_in, judgement, reviews_of
from tests.fuzzing import times
from tests.rosters import put_on_roster

HOUR = timedelta(hours=1)
LATE = cast.Cast("late", "郑晚来", "希望小学", "XW090")


@pytest.fixture
def works(world: World) -> dict[str, competencies.Submission]:
    """Of six teachers of two schools; each is to have three reviewers of the own school, which has but two others."""
    rules(world)
    return {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}


def rules(world: World, **more: Any) -> None:
    world.set_rules(review={"reviews_per_work": 3, "claims": 2, "pool": "own_school", **more})


def allot(world: World) -> rubrics.Allocation:
    return review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 7, world.now)


def joins(world: World, who: cast.Cast = LATE) -> Actor:
    """Somebody new at a school takes part."""
    world.persons[who.key] = add_person(world.session, world.tenant, world.schools[who.school], who, world.now)
    enrol(world, who)
    return world.actor(who)


def enrol(world: World, *who: cast.Cast) -> None:
    for one in who:
        world.session.add(
            Enrolment(programme_id=pk(world.programme), person_id=pk(world.person(one)), started_at=world.now)
        )
    world.session.flush()


def claim(world: World, actor: Actor) -> rubrics.Review:
    return claims.claim(world.session, actor, world.programme.uuid, world.now)


def needs(world: World) -> dict[int, int]:
    """Version → what it lacks."""
    rows = world.session.exec(select(rubrics.ReviewNeed).execution_options(populate_existing=True)).all()
    return {row.submission_version_id: row.need for row in rows}


def hand_one_in(world: World, one: rubrics.Review, actor: Actor) -> None:
    work = world.session.get(competencies.Submission, one.submission_id)
    assert work is not None
    row = review.open_review(world.session, actor, one.uuid, world.now)
    review.submit(world.session, actor, one.uuid, all_marks(world, work), row.version, world.now)


def test_a_late_joiner_takes_one_at_a_time_and_no_more_than_the_setting_says(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    allot(world)
    assert set(needs(world).values()) == {1}
    late = joins(world)
    offer = claims.offers(world.session, late, world.now)
    assert [(one.title, one.left, one.unfinished) for one in offer] == [(world.programme.title, 2, None)]
    first = claim(world, late)
    assert (first.is_claimed, first.blind_number, first.state) == (True, 1, rubrics.ReviewState.ALLOTTED)
    assert first.due_at is not None
    assert first.submission_id in {pk(works[key]) for key in ("chen", "wang", "li")}  # of their own school
    assert claims.offers(world.session, late, world.now)[0].unfinished == 1
    with pytest.raises(Refused, match="claim_unfinished"):
        claim(world, late)
    hand_one_in(world, first, late)
    second = claim(world, late)
    assert second.submission_id != first.submission_id
    hand_one_in(world, second, late)
    assert claims.offers(world.session, late, world.now) == ()
    with pytest.raises(Refused, match="claims_used_up"):
        claim(world, late)
    assert sorted(needs(world).values()) == [0, 0, 1, 1, 1, 1]


def test_nobody_gets_their_own_or_one_they_have_or_had(world: World, works: dict[str, competencies.Submission]) -> None:
    allot(world)
    with pytest.raises(Refused, match="nothing_to_claim"):
        claim(world, world.actor(cast.CHEN))  # they review both colleagues already


def test_who_reviews_nothing_else_of_the_pool_and_who_takes_no_part(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    allot(world)
    with pytest.raises(NotFound):
        claim(world, world.actor(cast.OFFICER))
    with pytest.raises(NotFound):
        claim(world, world.actor(cast.NEIGHBOUR))
    assert claims.offers(world.session, world.actor(cast.OFFICER), world.now) == ()
    late = joins(world)
    world.now = competencies.end_of_day(world.programme.closes_on, world.tenant.timezone)
    with pytest.raises(Refused, match="claims_closed"):
        claim(world, late)
    assert claims.offers(world.session, late, world.now) == ()


def test_without_the_setting_nothing_is_offered(world: World, works: dict[str, competencies.Submission]) -> None:
    late = joins(world)
    rules(world, claims=0)
    allot(world)
    assert needs(world) == {}
    assert claims.offers(world.session, late, world.now) == ()
    with pytest.raises(Refused, match="claims_closed"):
        claim(world, late)
    rules(world)  # an officer lets people claim from now on
    world.now += HOUR
    world.programme.allotted_at = world.now - 2 * HOUR
    assert review.allocate_due(world.session, pk(world.programme), world.now) is not None
    assert set(needs(world).values()) == {1}


@pytest.mark.parametrize("how", ["pair", "recused", "own_school", "reads"])
def test_the_rules_about_who_reviews_whom_hold(
    world: World, works: dict[str, competencies.Submission], how: str
) -> None:
    if how == "own_school":
        rules(world, pool="district", exclude_own_school=True, reviews_per_work=4)
    for key in ("wang", "li", "zhao", "sun", "zhou"):
        works[key].state = competencies.SubmissionState.LATE  # not with the peers
    late = joins(world)
    allot(world)
    assert max(needs(world).values()) > 0
    person = world.person(LATE)
    if how == "pair":
        numbers = (world.person(cast.CHEN).staff_number, person.staff_number)
        conflicts.keep_apart(world.session, world.actor(cast.OFFICER), conflicts.Said(*numbers, "family"), world.now)
    elif how == "recused":
        review.recuse(world.session, late, claim(world, late).uuid, world.now)
        hand_in_again = hand_in(world, cast.CHEN, "A5", world.now - 2 * HOUR)
        allot(world)
        assert needs(world)[hand_in_again.current_version_id or 0] == 3
    elif how == "reads":
        grant(world.session, person, RoleKind.TRAINER, world.county, world.now)
        late = world.actor(LATE)
    with pytest.raises(Refused, match="nothing_to_claim"):
        claim(world, late)
    assert all(
        one.reviewer_id != pk(person) or one.state not in rubrics.LIVE for one in reviews_of(world, works["chen"])
    )


def test_a_claim_comes_in_the_place_of_one_whose_time_is_up(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    rules(world, reviews_per_work=2)
    allot(world)
    assert set(needs(world).values()) == {0}
    late = joins(world)
    with pytest.raises(Refused, match="nothing_to_claim"):
        claim(world, late)
    one = reviews_of(world, works["chen"])[0]
    review.open_review(world.session, world.actor(cast_of(world, one.reviewer_id)), one.uuid, world.now)
    world.now += timedelta(hours=72)
    review.allocate_due(world.session, pk(world.programme), world.now)  # nobody else of the school is free
    assert one.state is rubrics.ReviewState.OPEN
    assert sorted(needs(world).values()) == [0, 0, 0, 0, 0, 1]
    claimed = claim(world, late)
    assert claimed.submission_id == pk(works["chen"])
    assert rubrics.is_handed_on(one)
    assert len(live(world, works["chen"])) == 2
    assert set(needs(world).values()) == {0}


def test_who_saves_meanwhile_keeps_the_place(world: World, works: dict[str, competencies.Submission]) -> None:
    rules(world, reviews_per_work=2)
    allot(world)
    one = reviews_of(world, works["chen"])[0]
    actor = world.actor(cast_of(world, one.reviewer_id))
    review.open_review(world.session, actor, one.uuid, world.now)
    world.now += timedelta(hours=72)
    review.allocate_due(world.session, pk(world.programme), world.now)
    assert max(needs(world).values()) == 1
    review.save(world.session, actor, one.uuid, {}, one.version, world.now)
    assert set(needs(world).values()) == {0}
    # And where the count has not come to know of it, the claim looks itself.
    need = world.session.exec(
        select(rubrics.ReviewNeed).where(rubrics.ReviewNeed.submission_version_id == one.submission_version_id)
    ).one()
    need.need = 1
    world.session.add(need)
    with pytest.raises(Refused, match="nothing_to_claim"):
        claim(world, joins(world))
    assert set(needs(world).values()) == {0}
    assert len(reviews_of(world, works["chen"])) == 2


@pytest.mark.parametrize("seen", [True, False])
def test_nobody_looks_for_a_friends_work_by_claiming_and_handing_back(
    world: World, works: dict[str, competencies.Submission], seen: bool
) -> None:
    allot(world)
    late = joins(world)
    for _ in range(2):
        one = claim(world, late)
        if seen:
            review.open_review(world.session, late, one.uuid, world.now)
        review.recuse(world.session, late, one.uuid, world.now)
    if seen:
        assert claims.offers(world.session, late, world.now) == ()
        with pytest.raises(Refused, match="claims_used_up"):
            claim(world, late)
    else:
        assert claims.offers(world.session, late, world.now)[0].left == 2
        assert claim(world, late).blind_number == 3


def test_who_was_taken_from_the_roster_claims_no_more(world: World, works: dict[str, competencies.Submission]) -> None:
    allot(world)
    late = joins(world)
    put_on_roster(world, LATE)
    assert claims.offers(world.session, late, world.now)
    entry = world.session.exec(select(RosterEntry).where(RosterEntry.person_id == late.person_id)).one()
    entry.removed_at = world.now
    world.session.add(entry)
    assert claims.offers(world.session, late, world.now) == ()
    with pytest.raises(NotFound):
        claim(world, late)


def live(world: World, work: competencies.Submission) -> list[rubrics.Review]:
    return [one for one in reviews_of(world, work) if one.state in rubrics.LIVE]


def test_what_is_decided_is_wanted_by_nobody(world: World, works: dict[str, competencies.Submission]) -> None:
    allot(world)
    work = works["chen"]
    for one in live(world, work):
        finish_review(world, one, world.now)
    marks = judgement(all_marks(world, work))
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 1, world.now)
    assert work.current_version_id not in needs(world)
    assert len(needs(world)) == 5


# --- the count and the truth ---

ACTS = ("claim", "recuse", "decline", "hand_on", "take_up", "save", "open", "submit", "set_aside", "bring_back", "end")
steps = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 30), st.integers(0, 50)), min_size=1, max_size=25)


@given(steps=steps)
@settings(max_examples=times(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_need_is_always_what_the_reviews_say(world: World, steps: list[tuple[str, int, int]]) -> None:
    """Whatever happens to reviews in whatever order, hours apart; no claim makes more reviewers than wanted."""
    session, now = world.session, world.now
    with session.begin_nested() as mark:
        rules(world, pool="district", reviews_per_work=2)
        wanted = 2
        made = [hand_in(world, who, "A3", now - 2 * HOUR) for who in cast.TEACHERS[:3]]
        versions = [work.current_version_id or 0 for work in made]
        review.allocate(session, world.actor(cast.OFFICER), world.programme, 7, now)
        for act, which, hours in steps:
            now += timedelta(hours=hours)
            rubrics.count_need(session, versions, now)  # what time does, the sweep sees
            rows = session.exec(select(rubrics.Review).order_by(col(rubrics.Review.id))).all()
            one = rows[which % len(rows)]
            before = standing(session, now)
            if act == "claim":
                person = world.person(cast.TEACHERS[which % 6])
                who = rubrics.Claimant(pk(world.tenant), pk(world.programme), (pk(person),), 0)
                found = rubrics.claim(session, who, None, now)
                if found is not None:
                    rubrics.hand_on(session, found[1], now)
                    version = found[0].submission_version_id
                    assert before[version] < wanted
                    assert total(session)[version] <= max(wanted, before[version] + 1)
            else:
                happen(session, act, one, now)
            found_now = standing(session, now)
            assert needs(world) == {version: max(0, wanted - found_now[version]) for version in versions}
        mark.rollback()


def happen(session: Session, act: str, one: rubrics.Review, now: Any) -> None:
    """One thing that may happen to a review, where it may."""
    if act == "bring_back" and one.state is rubrics.ReviewState.RECUSED:
        rubrics.bring_back(session, one, now)
    elif act == "take_up" and rubrics.is_handed_on(one):
        rubrics.take_up_again(session, one, now)
    elif one.state not in rubrics.UNFINISHED:
        return
    elif act == "recuse":
        rubrics.recuse(session, one, now)
    elif act == "decline":
        rubrics.decline(session, one, rubrics.Decline.TIME, "", now)
    elif act == "hand_on":
        rubrics.hand_on(session, [one], now)
    elif act == "save":
        rubrics.save_review(session, one, {}, one.version, now)
    elif act == "open":
        rubrics.open_review(session, one, now)
    elif act == "submit":
        rubrics.submit_review(session, one, 1, now)
    elif act == "set_aside":
        rubrics.set_aside(session, one, now)
    elif act == "end":
        rubrics.end_reviews(session, [one], now)


def standing(session: Session, now: Any) -> Counter[int]:
    """Version → reviews that are somebody's at this moment."""
    rows = session.exec(select(rubrics.Review).where(col(rubrics.Review.state).in_(rubrics.LIVE))).all()
    return Counter(one.submission_version_id for one in rows if not rubrics.is_late(one, timedelta(hours=72), now))


def total(session: Session) -> Counter[int]:
    rows = session.exec(select(rubrics.Review).where(col(rubrics.Review.state).in_(rubrics.LIVE))).all()
    return Counter(one.submission_version_id for one in rows)


# --- what the database itself refuses ---


def test_the_database_refuses_what_must_never_be(world: World, works: dict[str, competencies.Submission]) -> None:
    allot(world)
    session = world.session
    one = reviews_of(world, works["chen"])[0]
    columns = {c.name: getattr(one, c.name) for c in table(rubrics.Review).columns if c.name not in ("id", "uuid")}
    refused = [
        ({**columns, "uuid": new_uuid()}, IntegrityError),  # the same reviewer of the same version once more
        ({**columns, "uuid": new_uuid(), "reviewer_id": works["chen"].person_id}, DBAPIError),  # one's own work
    ]
    for row, error in refused:
        with pytest.raises(error), session.begin_nested():
            session.execute(insert(table(rubrics.Review)), [row])
    need = session.exec(select(rubrics.ReviewNeed).limit(1)).one()
    below = update(table(rubrics.ReviewNeed)).where(table(rubrics.ReviewNeed).c.id == pk(need)).values(need=-1)
    with pytest.raises(IntegrityError), session.begin_nested():
        session.execute(below)


# --- many at once ---

WORKS, REVIEWERS, EACH = 300, 60, 3


@pytest.mark.postgresql
def test_sixty_people_claiming_at_once_give_each_work_exactly_three(own_district_url: str, now: Any) -> None:
    made = create_engine(own_district_url, poolclass=NullPool)
    factory = sessions_of(made)
    with transaction(factory) as session:
        world = world_in(session, now)
        people = many_works(world)
        programme, tenant = pk(world.programme), pk(world.tenant)
    start, refused = threading.Barrier(REVIEWERS), Counter[str]()

    def claim_all(person: int) -> None:
        who = rubrics.Claimant(tenant, programme, (person,), 0)
        with made.connect() as connection:
            start.wait()
            while claim_one(connection, who):
                pass

    def claim_one(connection: Connection, who: rubrics.Claimant) -> bool:
        with Session(connection) as session:
            try:
                found = rubrics.claim(session, who, None, now)
            except DBAPIError as error:
                refused[type(error).__name__] += 1
                raise
            session.commit()
            return found is not None

    threads = [threading.Thread(target=claim_all, args=(person,)) for person in people[:REVIEWERS]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A row that somebody else holds is passed over, so the last few may still be there for who asks again.
    with made.connect() as connection:
        for person in people[:REVIEWERS]:
            while claim_one(connection, rubrics.Claimant(tenant, programme, (person,), 0)):
                pass
    with factory() as session:
        review_ = rubrics.Review
        counts = session.exec(
            select(func.count(), func.count(func.distinct(review_.reviewer_id)))
            .where(review_.programme_id == programme)
            .group_by(col(review_.submission_version_id))
        ).all()
        own = session.exec(
            select(func.count())
            .select_from(review_)
            .join(competencies.Submission, col(competencies.Submission.id) == col(review_.submission_id))
            .where(competencies.Submission.person_id == review_.reviewer_id)
        ).one()
        left = session.exec(select(func.sum(rubrics.ReviewNeed.need))).one()
    made.dispose()
    assert not refused
    assert Counter(counts) == {(EACH, EACH): WORKS}
    assert (own, left) == (0, 0)


@pytest.mark.postgresql
def test_who_saves_late_while_somebody_claims_in_their_place_is_not_refused(own_district_url: str, now: Any) -> None:
    made = create_engine(own_district_url, poolclass=NullPool)
    factory = sessions_of(made)
    with transaction(factory) as session:
        world = world_in(session, now)
        people = many_works(world)
        need = session.exec(select(rubrics.ReviewNeed).order_by(col(rubrics.ReviewNeed.id)).limit(1)).one()
        need.wanted = need.need = 1
        version, tenant, programme = need.submission_version_id, pk(world.tenant), pk(world.programme)
        late = rubrics.Review(
            tenant_id=tenant,
            programme_id=programme,
            submission_id=need.submission_id,
            submission_version_id=version,
            reviewer_id=people[1],
            state=rubrics.ReviewState.OPEN,
            blind_number=1,
            allotted_at=now - 100 * HOUR,
            opened_at=now - 100 * HOUR,
        )
        session.add_all([need, late])
        session.flush()
        key = pk(late)
    errors: list[Exception] = []
    only = [table(rubrics.ReviewNeed).c.submission_version_id == version]

    def save() -> None:
        try:
            with transaction(factory) as session:
                one = session.get(rubrics.Review, key)
                assert one is not None
                rubrics.save_review(session, one, {rubrics.MarkKey("a", "b"): rubrics.DraftMark(1, "写的")}, 1, now)
        except Exception as error:
            errors.append(error)

    saving = threading.Thread(target=save)
    try:
        with transaction(factory) as session:
            found = rubrics.claim(session, rubrics.Claimant(tenant, programme, (people[2],), 0), None, now, only)
            assert found is not None
            assert [pk(one) for one in found[1]] == [key]
            saving.start()
            saving.join(1)
            rubrics.hand_on(session, found[1], now)
    except DBAPIError as error:
        errors.append(error)
    saving.join()
    with factory() as session:
        assert rubrics.drafts_of(session, [key])[key]
    made.dispose()
    assert not errors


def many_works(world: World) -> list[int]:
    """Three hundred works of as many people, all waiting; the ids of the people."""
    session, now, people, needs_ = world.session, world.now, [], []
    point = pk(world.point("A3"))
    for number in range(WORKS):
        person = Person(tenant_id=pk(world.tenant), name=f"教师{number}", staff_number=f"N{number}", created_at=now)
        session.add(person)
        session.flush()
        work = competencies.Submission(
            tenant_id=pk(world.tenant),
            programme_id=pk(world.programme),
            person_id=pk(person),
            point_id=point,
            state=competencies.SubmissionState.SUBMITTED,
            created_at=now,
            changed_at=now,
        )
        session.add(work)
        session.flush()
        version = competencies.SubmissionVersion(
            submission_id=pk(work), number=1, manifest={}, content_hash="", self_marks={}, submitted_at=now
        )
        session.add(version)
        session.flush()
        people.append(pk(person))
        needs_.append(
            rubrics.ReviewNeed(
                programme_id=pk(world.programme),
                submission_id=pk(work),
                submission_version_id=pk(version),
                author_id=pk(person),
                pool=0,
                wanted=EACH,
                lease_hours=72,
                need=EACH,
                prio=number * 7919 % 1000,
            )
        )
    session.add_all(needs_)
    session.flush()
    return people


def test_who_owes_reviews_claims_until_they_have_as_many_as_each_and_no_more(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    rules(world, claims=0, peer_due=2)
    allot(world)
    late = joins(world)
    assert [(one.left, one.lacking) for one in claims.offers(world.session, late, world.now)] == [(2, 2)]
    first = claim(world, late)
    with pytest.raises(Refused, match="claim_unfinished"):
        claim(world, late)
    hand_one_in(world, first, late)
    second = claim(world, late)
    review.open_review(world.session, late, second.uuid, world.now)
    review.recuse(world.session, late, second.uuid, world.now)  # seen, so it counts: nobody hunts for a friend's work
    with pytest.raises(Refused, match="claims_used_up"):
        claim(world, late)
    assert claims.offers(world.session, late, world.now) == ()
    assert claims.offers(world.session, world.actor(cast.CHEN), world.now) == ()  # was allotted two


def test_claims_go_beyond_what_is_owed(world: World, works: dict[str, competencies.Submission]) -> None:
    rules(world, claims=2, peer_due=1)
    allot(world)
    late = joins(world)
    for left, lacking in ((2, 1), (1, 0)):
        assert [(one.left, one.lacking) for one in claims.offers(world.session, late, world.now)] == [(left, lacking)]
        hand_one_in(world, claim(world, late), late)
    assert claims.offers(world.session, late, world.now) == ()
