"""Somebody comes back (PostgreSQL): one statement leaves what the ordinary way leaves, or nothing."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sql
from sqlalchemy import Engine, text
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, select

import lti
from lms_plugin import db
from lms_plugin.db import pk
from lms_plugin.direct import Direct, directly, engine_of
from lms_plugin.errors import Refused
from lms_plugin.flow import enter, merges, returning
from lms_plugin.flow import sessions as web_sessions
from lms_plugin.people import CourseMember, Identity, Person, RoleKind, WebSession
from tests.factories import actor_of, grant
from tests.hosts import resign
from tests.lti.desk import CLAIM, CLAIMS, MEMBERSHIP, TOOL, Desk

LIFE = timedelta(hours=12)
SAID = {
    **CLAIMS,
    "name": "陈秀兰",
    CLAIM + "roles": [MEMBERSHIP + "Mentor"],  # who asks for nothing that a course without a programme has not
    CLAIM + "launch_presentation": {"locale": "en", "document_target": "iframe"},
}
DRAWN = {"id", "token_hash", "bearer_hash", "csrf", "reference", "at", "created_at", "expires_at"}


@dataclass
class Class:
    """A teacher who launched once, on the ordinary way."""

    bind: Engine
    sessions: "sessionmaker[Session]"
    desk: Desk
    now: datetime
    places: returning.Places = field(default_factory=returning.Places)

    def sent(self, secret: str = "", **changes: Any) -> tuple[dict[str, str], lti.Proof]:
        """A login at once, and the launch that answers it."""
        begun = lti.begin_at_once(self.bind, self.desk.initiation(), self.desk.tool + "/lti/launch", self.now)
        assert begun is not None
        nonce = begun.url.partition("&nonce=")[2].partition("&")[0]
        token = resign.sign(resign.fresh(SAID, nonce, self.now, **changes))
        return {"id_token": token, "state": begun.state}, lti.Proof(secret or begun.browser_secret)

    def come_back(self, form: dict[str, str], proof: lti.Proof) -> returning.Returned | None:
        return returning.come_back(self.bind, self.places, form, proof, LIFE, self.now, self.desk.tool)

    def ordinarily(self, form: dict[str, str], proof: lti.Proof) -> int:
        """The id of the session that the ordinary way opens. Raises Refused."""
        with self.sessions() as session:
            try:
                launch = lti.receive_launch(session, form, proof, self.now, public_url=self.desk.tool)
                assert isinstance(launch, lti.Launch)
                entrance = enter.enter(session, launch, LIFE, self.now)
                lti.log_launch(session, launch, self.now, web_session_id=entrance.session_row.id)
            finally:
                session.commit()
            return db.pk(entrance.session_row)

    def last(self, kind: type[db.Model]) -> dict[str, Any]:
        """The newest row, without what is drawn for each."""
        with self.sessions() as session:
            found = session.exec(select(kind).order_by(col(kind.id).desc())).first()
            assert found is not None
            return found.model_dump(exclude=DRAWN)

    def counts(self) -> dict[str, int]:
        with self.bind.connect() as connection:
            return {
                one.name: connection.execute(text(f'SELECT count(*) FROM "{one.name}"')).scalar_one()
                for one in db.Model.metadata.sorted_tables
            }

    def asked(self) -> tuple[int, int]:
        """How often a place was read, and how often a launch was written, over the one line of this thread."""
        asked = (
            "SELECT coalesce(sum(generic_plans + custom_plans), 0) FROM pg_prepared_statements"
            " WHERE name LIKE 'nengli%' AND statement LIKE :begins"
        )
        with self.bind.connect() as connection:
            return tuple(
                int(connection.execute(text(asked), {"begins": begins}).scalar_one())
                for begins in ("SELECT lti_platform.id%", "WITH found AS%")
            )

    def is_open(self, state: str) -> bool:
        with self.sessions() as session:
            kept = session.exec(select(lti.LoginState).where(lti.LoginState.state == state)).one()
            return kept.consumed_at is None


@pytest.fixture
def lesson(own_database_url: str, now: datetime) -> Iterator[Class]:
    bind = db.engine(own_database_url)
    sessions = db.session_factory(bind)
    with db.transaction(sessions) as session:
        desk = Desk(session, now)
    made = Class(bind, sessions, desk, now)
    with db.transaction(sessions) as session:
        desk.session = session
        launch = desk.launch(SAID)
        assert isinstance(launch, lti.Launch)
        enter.enter(session, launch, LIFE, now)
    yield made
    bind.dispose()


@pytest.mark.postgresql
def test_it_leaves_what_the_ordinary_way_leaves(lesson: Class) -> None:
    lesson.now += timedelta(minutes=5)
    lesson.ordinarily(*lesson.sent())
    ordinary = lesson.last(WebSession), lesson.last(lti.LaunchLog)
    before = lesson.counts()
    form, proof = lesson.sent()
    found = lesson.come_back(form, proof)
    assert found is not None
    assert (lesson.last(WebSession), lesson.last(lti.LaunchLog)) == ordinary
    after = lesson.counts()
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {
        "lti_login_state": 1,
        "web_session": 1,
        "lti_launch_log": 1,
    }
    with lesson.sessions() as session:
        opened = session.exec(select(WebSession).order_by(col(WebSession.id).desc())).first()
        login = session.exec(select(lti.LoginState).where(lti.LoginState.state == form["state"])).one()
        assert opened is not None
        assert (login.web_session_id, login.consumed_at) == (opened.id, lesson.now)
        assert session.exec(select(CourseMember)).one().launched_at == lesson.now
        assert opened.token_hash != opened.bearer_hash
        assert opened.expires_at == lesson.now + LIFE


@pytest.mark.postgresql
def test_a_launch_comes_back_once(lesson: Class) -> None:
    lesson.ordinarily(*lesson.sent())
    form, proof = lesson.sent()
    before, ready = lesson.counts(), threading.Barrier(6)
    found: list[returning.Returned | None] = []

    def post() -> None:
        ready.wait()
        found.append(lesson.come_back(form, proof))

    threads = [threading.Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in found if one is not None]) == 1
    assert lesson.counts()["web_session"] == before["web_session"] + 1
    assert lesson.counts()["lti_launch_log"] == before["lti_launch_log"] + 1
    with lesson.sessions() as session:
        replayed = lti.receive_launch(session, form, proof, lesson.now, public_url=lesson.desk.tool)
        assert isinstance(replayed, lti.Replayed)


@pytest.mark.postgresql
def test_who_was_here_by_another_door_was_not_here(lesson: Class) -> None:
    """The same account of the same host: by our block in Open edX it is another one (ADR 0049)."""
    link = {CLAIM + "resource_link": {"id": "block-v1:O+C+R+type@nengli+block@a", "title": "研修任务"}}
    stock = lesson.ordinarily(*lesson.sent(**link))
    assert lesson.come_back(*lesson.sent(**link)) is not None
    with db.transaction(lesson.sessions) as session:
        session.exec(select(lti.Platform)).one().door = "block"
    form, proof = lesson.sent(**link)
    assert lesson.come_back(form, proof) is None
    by_block = lesson.ordinarily(form, proof)
    assert lesson.come_back(*lesson.sent(**link)) is not None
    with lesson.sessions() as session:
        persons = dict(session.exec(select(WebSession.id, WebSession.person_id)).all())
        doors = dict(session.exec(select(Identity.door, Identity.person_id)).all())
    assert (persons[stock], persons[by_block]) == (doors[""], doors["block"])
    assert doors[""] != doors["block"]


NEW: list[dict[str, Any]] = [
    {"sub": "9"},
    {"name": None},
    {CLAIM + "context": {"id": "course-1", "title": "另一个名称"}},
    {CLAIM + "context": {"id": "course-2", "title": "信息技术研修"}},
    {CLAIM + "resource_link": {"id": "link-2", "title": "研修任务"}},
    {CLAIM + "resource_link": {"id": "link-1", "title": "另一个名称"}},
    {CLAIM + "custom": {"nengli_point": "A3"}},
    {CLAIM + "roles": [MEMBERSHIP + "Instructor"]},
    {CLAIM + "tool_platform": {"product_family_code": "moodle"}},
    {
        CLAIM + "platformnotificationservice": {
            "platform_notification_service_url": "https://x.example/n",
            "notice_types_supported": ["LtiContextCopyNotice"],
        }
    },
    {
        "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice": {
            "context_memberships_url": "https://x.example/m"
        }
    },
]
REFUSED: list[dict[str, Any]] = [
    {"nonce": "another"},
    {"iss": "https://elsewhere.example"},
    {"aud": "another"},
    {"exp": 1},
    {CLAIM + "deployment_id": "another"},
    {CLAIM + "deployment_id": "\0"},
    {CLAIM + "message_type": "LtiEulaRequest"},
    {CLAIM + "target_link_uri": "https://elsewhere.example/"},
    {CLAIM + "roles": None},
    {"sub": "陈"},
    {"sub": None},
]


@pytest.mark.postgresql
def test_whatever_is_new_or_refused_is_left_as_it_came(lesson: Class) -> None:
    for changes in NEW + REFUSED:
        lesson.ordinarily(*lesson.sent())
        assert lesson.come_back(*lesson.sent()) is not None, "what was there before stands"
        form, proof = lesson.sent(**changes)
        before = lesson.counts()
        assert lesson.come_back(form, proof) is None, changes
        assert lesson.counts() == before, changes
        assert lesson.is_open(form["state"]), changes
        if changes in REFUSED:
            with pytest.raises(Refused):
                lesson.ordinarily(form, proof)
        else:
            assert lesson.ordinarily(form, proof), changes


@pytest.mark.postgresql
def test_another_browser_another_key_a_disabled_platform_and_an_old_login(lesson: Class) -> None:
    lesson.ordinarily(*lesson.sent())
    form, proof = lesson.sent()
    before = lesson.counts()
    assert lesson.come_back(form, lti.Proof("another")) is None
    assert lesson.come_back(form, lti.Proof(None)) is None
    head, claims, signature = form["id_token"].split(".")
    other = ("A" if signature[9] != "A" else "B").join((signature[:9], signature[10:]))
    assert lesson.come_back({**form, "id_token": f"{head}.{claims}.{other}"}, proof) is None
    assert lesson.come_back({"state": form["state"]}, proof) is None
    assert (
        returning.come_back(lesson.bind, lesson.places, form, proof, LIFE, lesson.now + timedelta(minutes=11), TOOL)
        is None
    )
    with db.transaction(lesson.sessions) as session:
        lti.switch_platform(session, lesson.desk.issuer, lesson.desk.client_id, is_disabled=True)
    assert lesson.come_back(form, proof) is None
    assert lti.begin_at_once(lesson.bind, lesson.desk.initiation(), TOOL + "/lti/launch", lesson.now) is None
    assert lesson.counts() == before
    assert lesson.is_open(form["state"])


@pytest.mark.postgresql
def test_a_deployment_that_was_withdrawn_is_remembered_by_nobody(lesson: Class) -> None:
    lesson.ordinarily(*lesson.sent())
    assert lesson.come_back(*lesson.sent()) is not None
    with db.transaction(lesson.sessions) as session:
        row = lti.by_client(session, lesson.desk.issuer, lesson.desk.client_id)
        assert row is not None
        (name,) = lti.deployment_ids(session, row)
        lti.withdraw_deployment(session, row, name)
    for _time in range(2):
        form, proof = lesson.sent()
        assert lesson.come_back(form, proof) is None
        with pytest.raises(Refused) as refused:
            lesson.ordinarily(form, proof)
        assert refused.value.code == "launch.deployment_unknown"


@pytest.mark.postgresql
def test_a_place_is_read_once_and_then_remembered(lesson: Class) -> None:
    lesson.ordinarily(*lesson.sent())
    for _ in range(3):
        assert lesson.come_back(*lesson.sent()) is not None
    assert lesson.asked() == (1, 3)
    lesson.now += returning.REMEMBERED + timedelta(seconds=1)
    assert lesson.come_back(*lesson.sent()) is not None
    assert lesson.asked() == (2, 4)


WRITTEN = ("lti_platform", "lti_key_set", "lti_deployment", "lti_resource_link", "tenant", "course")


@pytest.mark.postgresql
@pytest.mark.parametrize("kind", WRITTEN)
def test_a_place_of_which_anything_was_written_since_is_not_believed(lesson: Class, kind: str) -> None:
    """By this process or another one, a web page or an operator: the launch goes the ordinary way, and the next one
    remembers the place as it is now."""
    lesson.ordinarily(*lesson.sent())
    assert lesson.come_back(*lesson.sent()) is not None
    with lesson.bind.begin() as connection:
        connection.execute(text(f"UPDATE {kind} SET id = id"))
    form, proof = lesson.sent()
    before = lesson.counts()
    assert lesson.come_back(form, proof) is None
    assert lesson.counts() == before
    assert lesson.is_open(form["state"])
    assert lesson.come_back(form, proof) is not None


@pytest.mark.postgresql
def test_a_key_that_the_host_withdrew_opens_nothing(lesson: Class) -> None:
    lesson.ordinarily(*lesson.sent())
    assert lesson.come_back(*lesson.sent()) is not None
    with db.transaction(lesson.sessions) as session:
        session.exec(select(lti.KeySet)).one().body = resign.jwks("another")
    form, proof = lesson.sent()
    before = lesson.counts()
    for _ in range(2):
        assert lesson.come_back(form, proof) is None
    assert lesson.counts() == before


@pytest.mark.postgresql
def test_a_login_at_one_platform_takes_no_token_of_another(lesson: Class) -> None:
    """Both are known places with the same key; the login says which of them was asked."""
    with db.transaction(lesson.sessions) as session:
        other = Desk(session, lesson.now, client_id="client-2")
        launch = other.launch({**SAID, "aud": "client-2"})
        assert isinstance(launch, lti.Launch)
        enter.enter(session, launch, LIFE, lesson.now)
    lesson.ordinarily(*lesson.sent())
    assert lesson.come_back(*lesson.sent()) is not None
    form, proof = lesson.sent(aud="client-2")
    before = lesson.counts()
    assert lesson.come_back(form, proof) is None
    assert lesson.counts() == before
    assert lesson.is_open(form["state"])
    with pytest.raises(Refused):
        lesson.ordinarily(form, proof)


@pytest.mark.postgresql
def test_what_a_row_of_a_person_lacks_is_asked_of_the_row(lesson: Class) -> None:
    """The place stands and is remembered; the person is not who the launch takes them for."""
    lesson.ordinarily(*lesson.sent())
    undone = {
        "UPDATE person SET name = ''": "UPDATE person SET name = '陈秀兰'",
        "UPDATE person SET absorbed_ids = '[7]'": "UPDATE person SET absorbed_ids = '[]'",
        "UPDATE course_member SET has_name = NULL": "UPDATE course_member SET has_name = true",
        "UPDATE course_member SET is_learner = true": "UPDATE course_member SET is_learner = false",
        "UPDATE course_member SET is_instructor = true": "UPDATE course_member SET is_instructor = false",
        "UPDATE course_member SET subject = '9'": "UPDATE course_member SET subject = '8'",
        "UPDATE identity SET subject = '9'": "UPDATE identity SET subject = '8'",
    }
    for wrong, right in undone.items():
        assert lesson.come_back(*lesson.sent()) is not None, wrong
        for statement, stands in ((wrong, False), (right, True)):
            with lesson.bind.begin() as connection:
                connection.execute(text(statement))
            assert (lesson.come_back(*lesson.sent()) is not None) is stands, statement


def test_a_process_remembers_the_places_it_read_last(now: datetime) -> None:
    nothing: Any = None
    places, there = returning.Places(), returning.There(nothing, nothing, "", now)
    names = [lti.returning.Names("https://lms.example", "c", "1", "", str(at)) for at in range(returning.MOST_PLACES)]
    for one in names:
        places.keep(one, there)
    places.keep(names[0], there)  # read again
    places.keep(names[0]._replace(link="one more"), there)
    assert [one.link for one in names if places.of(one, now) is None] == ["1"]
    places.forget(names[0])
    places.forget(names[0])
    assert places.of(names[0], now) is None
    assert places.of(names[2], now + returning.REMEMBERED) is there
    assert places.of(names[2], now + returning.REMEMBERED + timedelta(seconds=1)) is None


@pytest.mark.postgresql
def test_a_login_at_once_leaves_what_a_login_leaves(lesson: Class) -> None:
    given, address = lesson.desk.initiation(lti_storage_target="_parent"), lesson.desk.tool + "/lti/launch"
    with db.transaction(lesson.sessions) as session:
        ordinary = lti.begin_login(session, given, address, lesson.now)
    row = lesson.last(lti.LoginState)
    begun = lti.begin_at_once(lesson.bind, given, address, lesson.now)
    assert begun is not None
    drawn = {"state", "nonce", "browser_hash", "storage_hash"}
    assert {**lesson.last(lti.LoginState), **dict.fromkeys(drawn)} == {**row, **dict.fromkeys(drawn)}
    assert (begun.expires_at, begun.origins) == (ordinary.expires_at, ordinary.origins)
    assert begun.storage is not None
    assert begun.url.partition("&state=")[0] == ordinary.url.partition("&state=")[0]
    before = lesson.counts()
    for wrong in ({"login_hint": None}, {"client_id": "another"}, {"client_id": None}, {"iss": "\0"}):
        assert lti.begin_at_once(lesson.bind, lesson.desk.initiation(**wrong), address, lesson.now) is None
    assert lesson.counts() == before


WAYS = ("at once", "ordinarily", "as another", "a second time")


def launched(lesson: Class, way: str) -> None:
    """A launch on that way, as the tool takes it: what cannot be done at once is done ordinarily."""
    if way == "as another":  # with something new to write down
        lesson.ordinarily(*lesson.sent(**{CLAIM + "context": {"id": "course-1", "title": lesson.now.isoformat()}}))
    elif way == "a second time":
        with db.transaction(lesson.sessions) as session:
            first = session.exec(select(WebSession).order_by(col(WebSession.id))).all()[-1]
            web_sessions.again(session, pk(first), LIFE, lesson.now)
    else:
        form, proof = lesson.sent()
        if way == "ordinarily" or lesson.come_back(form, proof) is None:
            lesson.ordinarily(form, proof)


@pytest.mark.postgresql
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("undone", [False, True])
def test_who_is_merged_or_parted_meanwhile_gets_no_session_of_the_other(lesson: Class, way: str, undone: bool) -> None:
    """A merge signs out whom it finds signed in: a launch that comes while it is under way waits for it, and then
    opens a session of who it is by then, or none."""
    with db.transaction(lesson.sessions) as session:
        chen = session.exec(select(Person)).one()
        other, officer = (
            Person(tenant_id=chen.tenant_id, name=name, created_at=lesson.now) for name in ("王秀兰", "李明")
        )
        session.add_all([other, officer])
        session.flush()
        grant(session, officer, RoleKind.OFFICER, None, lesson.now)
        uuids, officer_id = (chen.uuid, other.uuid), pk(officer)

    def merge(session: Session) -> None:
        merges.merge_persons(session, actor_of(session, db.get(session, Person, officer_id)), *uuids, "", lesson.now)

    def part(session: Session) -> None:
        merges.undo_merge(session, actor_of(session, db.get(session, Person, officer_id)), uuids[0], lesson.now)

    if undone:
        with db.transaction(lesson.sessions) as session:
            merge(session)
    launched(lesson, "ordinarily")
    lesson.now += timedelta(minutes=1)
    found: list[Exception | None] = []

    def launch() -> None:
        try:
            found.append(launched(lesson, way))
        except Refused as error:
            found.append(error)

    thread = threading.Thread(target=launch)
    with lesson.sessions() as session:
        (part if undone else merge)(session)
        thread.start()
        wait_for_lock(lesson.bind)
        session.commit()
    thread.join()
    assert [str(error) for error in found if error is not None] == (["ticket.used"] if way == "a second time" else [])
    with lesson.sessions() as session:
        account = session.exec(select(Identity)).one()
        living = session.exec(select(WebSession).where(col(WebSession.ended_at).is_(None))).all()
        assert {one.person_id for one in living} <= {account.person_id}
        assert len(living) == (0 if way == "a second time" else 1)


def wait_for_lock(bind: Engine) -> None:
    """Until somebody waits for somebody in this database."""
    here = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    asked = text(f"SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN ({here})")
    for _ in range(200):
        with bind.connect() as connection:
            if connection.execute(asked).scalar_one():
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits")


@pytest.mark.postgresql
def test_a_line_that_no_longer_fits_is_replaced_and_that_is_said(
    lesson: Class, caplog: pytest.LogCaptureFixture
) -> None:
    """What a line has prepared is of no use once an operator changed the table."""
    lesson.ordinarily(*lesson.sent())
    lesson.bind.dispose()
    assert lesson.come_back(*lesson.sent()) is not None
    operator = db.engine(lesson.bind.url.render_as_string(hide_password=False))
    with operator.begin() as connection:
        connection.execute(text("ALTER TABLE course ALTER title TYPE varchar(600)"))
    operator.dispose()
    assert lesson.come_back(*lesson.sent()) is not None, "what is remembered stands as it was"
    lesson.places = returning.Places()
    assert lesson.come_back(*lesson.sent()) is None
    assert [one.levelname for one in caplog.records if one.name == "nengli.db"] == ["WARNING"]
    assert lesson.come_back(*lesson.sent()) is not None


@pytest.mark.postgresql
def test_what_psycopg_gives_up_is_prepared_anew(lesson: Class, caplog: pytest.LogCaptureFixture) -> None:
    """A class that clicks at once: psycopg prepares what newcomers' launches send often, and at the rollback of a page
    after them drops all that the line had prepared, ours too."""
    lesson.ordinarily(*lesson.sent())
    assert lesson.come_back(*lesson.sent()) is not None
    with lesson.bind.connect() as connection:
        line = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        for _time in range(7):
            connection.execute(text("SELECT count(*) FROM course WHERE id = :id"), {"id": 1})
        connection.rollback()
        connection.execute(text("SELECT 1"))  # psycopg gives it up with the next statement at the latest
        left = connection.execute(text("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'nengli%'"))
        assert left.scalar_one() == 0
    for _time in range(2):
        assert lesson.come_back(*lesson.sent()) is not None
    assert [one for one in caplog.records if one.name == "nengli.db"] == []
    with lesson.bind.connect() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() == line


@pytest.mark.postgresql
def test_what_the_database_refuses_is_nothing_and_the_line_is_lent_again(lesson: Class) -> None:
    number = sql.bindparam("number", type_=sql.Integer)
    divided = Direct(sql.select(sql.cast(12 / number, sql.Float)))
    for given, found in ((0, None), (5, (2.4,)), (0, None), (4, (3.0,))):
        assert directly(lesson.bind, lambda line, given=given: divided.row(line, {"number": given})) == found
    with lesson.bind.connect() as connection:  # the same line, with transactions again
        connection.execute(text("CREATE TABLE rolled_back (id int)"))
        connection.rollback()
        assert not connection.dialect.has_table(connection, "rolled_back")


def test_sqlite_and_shared_connections_take_the_ordinary_way(session: Session) -> None:
    assert engine_of(db.session_factory(db.engine("sqlite://"))) is None
    assert engine_of(sessionmaker(session.connection(), class_=Session)) is None
