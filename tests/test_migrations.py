"""Migrations: from nothing to the models, down and up again, and what only the database itself can refuse."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, Enum, delete, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col

import competencies
import lti
from lms_plugin import db, migrate
from lms_plugin.append_only import missing_guards
from lms_plugin.db import Model, get, pk
from lms_plugin.flow import certificates, cycle_certificates, merges
from lms_plugin.inbox import Message
from lms_plugin.people import Course, Person, Role, RoleKind, RosterEntry
from tests import people as cast
from tests.certified import certificate_for
from tests.factories import actor_of, build_world, world_in
from tests.flow.earned import earn
from tests.flow.test_appeals import ask, result_of, settle
from tests.ledgers import ENTRIES, add_entry, rows
from tests.rosters import put_on_roster


@pytest.fixture
def made(own_database_url: str) -> Iterator[Engine]:
    """The engine of a migrated database of this test alone."""
    engine = db.engine(own_database_url)
    yield engine
    engine.dispose()


def test_there_is_one_head() -> None:
    assert len(migrate.heads()) == 1


def test_a_migrated_database_is_what_the_models_say(own_database_url: str) -> None:
    assert migrate.is_at_head(own_database_url)
    assert migrate.differences(own_database_url) == []


def test_down_and_up_again(own_database_url: str) -> None:
    migrate.downgrade(own_database_url, "base")
    assert not migrate.is_at_head(own_database_url)
    migrate.upgrade(own_database_url)
    assert migrate.is_at_head(own_database_url)
    assert migrate.differences(own_database_url) == []
    engine = db.engine(own_database_url)
    with Session(engine) as session:
        assert missing_guards(session) == []
    engine.dispose()


def test_down_from_a_database_with_data(made: Engine, own_database_url: str, now: object) -> None:
    with Session(made) as session:
        db.writes(session)
        build_world(session, now)
        session.commit()
    made.dispose()
    migrate.downgrade(own_database_url, "base")
    migrate.upgrade(own_database_url)
    assert migrate.differences(own_database_url) == []


def test_what_others_point_to_is_rebuilt_with_all_its_rows(made: Engine, own_database_url: str, now: datetime) -> None:
    """A district in the middle of its work is taken down and up again: all that both schemas know is still there."""
    with Session(made) as session:
        db.writes(session)
        earn(build_world(session, now), cast.CHEN, "A3", "B1")
        session.execute(delete(Role).where(col(Role.kind) == RoleKind.SEAL))  # the older schema has no such role
        session.execute(delete(Message))  # and told nobody anything
        session.commit()
    before = counted(made)
    migrate.downgrade(own_database_url, "0003")
    migrate.upgrade(own_database_url)
    assert counted(made) == before
    assert before["submission_version"] == before["award"] == 2
    assert migrate.differences(own_database_url) == []


def counted(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        found = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in Model.metadata.sorted_tables
        }
    engine.dispose()
    return found


def test_checks_name_exactly_the_members_of_their_enums(made: Engine) -> None:
    with made.connect() as connection:
        if made.dialect.name == "sqlite":
            found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'")).all()
        else:
            found = connection.execute(
                text(
                    "SELECT conrelid::regclass::text, string_agg(pg_get_constraintdef(oid), ' ') FROM pg_constraint "
                    "WHERE contype = 'c' GROUP BY 1"
                )
            ).all()
    written = {str(name): str(sql) for name, sql in found}
    seen = 0
    for table in Model.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, Enum) and column.type.enum_class is not None:
                seen += 1
                for member in column.type.enum_class:
                    assert f"'{member.value}'" in written[table.name], (table.name, column.name, member)
    assert seen > 10


def test_the_ledger_is_append_only_in_the_database_itself(made: Engine, now: object) -> None:
    with Session(made, expire_on_commit=False) as session:
        db.writes(session)
        world = build_world(session, now)
        policy = session.execute(text("SELECT max(id) FROM programme_policy")).scalar_one()
        session.add(
            competencies.CreditEntry(
                tenant_id=pk(world.tenant),
                programme_id=pk(world.programme),
                person_id=pk(world.person(cast.CHEN)),
                kind=competencies.CreditKind.ONLINE,
                credit_hundredths=100,
                reason="import",
                policy_id=policy,
                entered_at=now,
            )
        )
        session.commit()
    for change in ("UPDATE credit_entry SET credit_hundredths = 200", "DELETE FROM credit_entry"):
        with made.connect() as connection, pytest.raises(DBAPIError), connection.begin():
            connection.execute(text(change))
    with made.connect() as connection:
        assert connection.execute(text("SELECT credit_hundredths FROM credit_entry")).scalar_one() == 100


@pytest.mark.parametrize("name", ["rubric_version", "criterion", "criterion_level"])
def test_a_published_rubric_is_changed_by_nobody(made: Engine, now: object, name: str) -> None:
    with Session(made) as session:
        db.writes(session)
        build_world(session, now)
        session.commit()
    with made.connect() as connection:
        before = connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
    assert before > 50
    for change in (f"UPDATE {name} SET id = id + 100000", f"DELETE FROM {name}"):
        with made.connect() as connection, pytest.raises(DBAPIError, match="append-only"), connection.begin():
            connection.execute(text(change))
    with made.connect() as connection:
        assert connection.execute(text(f"SELECT count(*) FROM {name} WHERE id < 100000")).scalar_one() == before


def test_entries_from_before_the_seals_wait_for_one(made: Engine, own_database_url: str, now: datetime) -> None:
    """Down with seals, up again without: what the ledger holds waits, and the database notes and guards as before."""
    with Session(made, expire_on_commit=False) as session:
        db.writes(session)
        world = build_world(session, now)
        add_entry(world)
        assert competencies.seal(session, pk(world.tenant), now) == 1
        add_entry(world)
        session.commit()
    made.dispose()
    migrate.downgrade(own_database_url, "0016")
    with made.begin() as connection:  # the older schema takes entries too
        row = {**rows(connection, ENTRIES)[-1], "uuid": db.new_uuid()}
        del row["id"]
        connection.execute(ENTRIES.insert(), [row])
    made.dispose()
    migrate.upgrade(own_database_url)
    with Session(made, expire_on_commit=False) as session:
        db.writes(session)
        add_entry(world_in(session, now))
        assert competencies.seal(session, pk(world.tenant), now) == 4
        session.commit()
    changes = ["UPDATE ledger_seal SET entry_count = 1", "DELETE FROM ledger_seal"]
    for change in [*changes, "TRUNCATE ledger_seal"] if made.dialect.name == "postgresql" else changes:
        with made.connect() as connection, pytest.raises(DBAPIError, match="append-only"), connection.begin():
            connection.execute(text(change))


def test_merges_from_before_the_log_can_be_undone(made: Engine, own_database_url: str, now: datetime) -> None:
    """What the undo of an older merge would have given back until now stands in the log after the upgrade."""
    with Session(made, expire_on_commit=False) as session:
        db.writes(session)
        world = build_world(session, now)
        chen, wang = world.person(cast.CHEN), world.person(cast.WANG)
        wang.name, wang.staff_number = chen.name, chen.staff_number
        entry = put_on_roster(world, cast.CHEN)
        session.flush()
        merges.merge_persons(session, world.actor(cast.OFFICER), chen.uuid, wang.uuid, "", now)
        session.commit()
    made.dispose()
    migrate.downgrade(own_database_url, "0005")
    migrate.upgrade(own_database_url)
    with Session(made, expire_on_commit=False) as session:
        db.writes(session)
        officer = actor_of(session, get(session, Person, pk(world.person(cast.OFFICER))))
        merges.undo_merge(session, officer, chen.uuid, now + timedelta(hours=1))
        assert get(session, RosterEntry, pk(entry)).person_id == pk(chen)
        assert get(session, Person, pk(wang)).confirmed_at is None


def test_who_holds_points_is_noted_as_of_the_category_of_the_upgrade(
    made: Engine, own_database_url: str, now: datetime
) -> None:
    """Only where rules differ by category; None of who is on no roster."""
    with Session(made, expire_on_commit=False) as session:
        db.writes(session)
        world = build_world(session, now)
        put_on_roster(world, cast.CHEN).category = competencies.Category.COACH
        for who in (cast.CHEN, cast.WANG):
            earn(world, who, "A3")
        session.commit()
    made.dispose()
    migrate.downgrade(own_database_url, "0049")
    migrate.upgrade(own_database_url)
    noted = "SELECT person_id, category FROM counted_as ORDER BY person_id"
    with made.connect() as connection:
        assert connection.execute(text(noted)).all() == []
    with Session(made, expire_on_commit=False) as session:
        db.writes(session)
        world = world_in(session, now)
        world.set_rules(categories=[{"category": "coach", "required_points": 2}])
        session.commit()
    made.dispose()
    migrate.downgrade(own_database_url, "0049")
    migrate.upgrade(own_database_url)
    chen, wang = pk(world.person(cast.CHEN)), pk(world.person(cast.WANG))
    with made.connect() as connection:
        said = {chen: "coach", wang: None}
        assert {row.person_id: row.category for row in connection.execute(text(noted))} == said


def test_certificates_of_cycles_go_with_their_seals_and_the_others_stay(
    made: Engine, own_database_url: str, now: datetime
) -> None:
    with Session(made) as session:
        db.writes(session)
        world = build_world(session, now)
        given = [certificate_for(world, cast.CHEN), certificate_for(world, cast.WANG)]
        officer, chen = world.actor(cast.OFFICER), world.person(cast.CHEN).uuid
        certificates.set_terms(session, officer, world.programme.uuid, "1 号", False, now)
        given += [cycle_certificates.issue_to(session, officer, chen, "2026-2030", now)]
        seal = competencies.UnitSeal(
            **{"tenant_id": pk(world.tenant), "org_unit_id": pk(world.county), "image": b"1", "sha256": "1"},
            **{"put_by_id": officer.person_id, "put_at": now},
        )
        session.add(seal)
        session.flush()
        session.add_all(
            competencies.SealUse(
                certificate_id=pk(one), unit_seal_id=pk(seal), used_by_id=officer.person_id, used_at=now
            )
            for one in given
        )
        for one in given[1:]:
            certificates.revoke(session, officer, one.uuid, "错了", now)
        session.commit()
    made.dispose()
    migrate.downgrade(own_database_url, "0068")
    migrate.upgrade(own_database_url)
    found = counted(made)
    assert [found[name] for name in ("certificate", "seal_use", "certificate_end")] == [2, 2, 1]
    with Session(made) as session:
        assert missing_guards(session) == []
    made.dispose()


def test_awards_that_an_appeal_replaced_go_down_and_come_back(
    made: Engine, own_database_url: str, now: datetime
) -> None:
    with Session(made) as session:
        db.writes(session)
        world = build_world(session, now)
        work = result_of(world, 1, hours={"kind": "per_level", "excellent_hundredths": 1000})
        settle(world, ask(world, work), 2)
        session.commit()
    before = counted(made)
    migrate.downgrade(own_database_url, "0055")
    with made.connect() as connection:
        rows_then = connection.execute(text(BOTH)).all()
    made.dispose()
    assert [(level, number > 0, point) for level, number, point in rows_then] == [(1, False, 1), (2, True, 2)]
    migrate.upgrade(own_database_url)
    after = counted(made)
    for name in ("award", "decision", "submission_version", "credit_entry"):
        assert after[name] == before[name], name
    with Session(made) as session:
        awards = session.exec(select(competencies.Award).order_by(col(competencies.Award.id))).scalars().all()
        assert [(one.level, one.is_replaced) for one in awards] == [(1, True), (2, False)]
        assert len({one.decision_id for one in awards}) == 1
    made.dispose()


BOTH = """
SELECT award.level, submission_version.number, decision.point_level FROM award
JOIN decision ON decision.id = award.decision_id
JOIN submission_version ON submission_version.id = decision.submission_version_id ORDER BY award.id
"""


def test_activities_outside_courses_get_spaces_of_their_own(made: Engine, own_database_url: str, now: datetime) -> None:
    """The nameless course becomes the space of its only activity; of several it stays, as nobody can tell."""
    with Session(made, expire_on_commit=False) as session:
        db.writes(session)
        world = build_world(session, now)
        alone, many = pk(world.course), None
        deployment = get(session, lti.Deployment, world.course.deployment_id)
        other = lti.Deployment(
            tenant_id=deployment.tenant_id, platform_id=deployment.platform_id, deployment_id="many", created_at=now
        )
        session.add(other)
        session.flush()
        course = Course(tenant_id=world.course.tenant_id, deployment_id=pk(other), context_id="link:b", seen_at=now)
        world.course.context_id = "link:a"
        links = [(pk(deployment), "a"), (pk(other), "b"), (pk(other), "c")]
        session.add_all(
            [course, world.course]
            + [
                lti.ResourceLink(deployment_id=where, context_id=f"link:{one}", resource_link_id=one, seen_at=now)
                for where, one in links
            ]
        )
        session.flush()
        many = pk(course)
        session.commit()
    made.dispose()

    def places() -> tuple[dict[int, str], dict[str, str]]:
        with made.connect() as connection:
            of_courses = connection.execute(text("SELECT id, context_id FROM course")).all()
            of_links = connection.execute(text("SELECT resource_link_id, context_id FROM lti_resource_link")).all()
        made.dispose()
        kept = {key: name for key, name in of_courses if key in (alone, many)}
        return kept, {link: name for link, name in of_links if link in "abc"}

    migrate.downgrade(own_database_url, "0074")
    assert places() == ({alone: "", many: ""}, {"a": "", "b": "", "c": ""})
    migrate.upgrade(own_database_url)
    assert places() == ({alone: "link:a", many: ""}, {"a": "link:a", "b": "link:b", "c": "link:c"})
