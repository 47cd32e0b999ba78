"""The practice LMS on a loopback port, and a tool in a database of its own whose worker speaks to it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import delete, update
from sqlmodel import Session, col, select

import lti
from lms_plugin import db, outbox
from lms_plugin.config import Settings
from lms_plugin.db import pk, transaction
from lms_plugin.outbox import Job, JobState
from lms_plugin.people import CourseMember
from lms_plugin.practice import PracticeConfig, create_practice
from lms_plugin.worker import Worker
from tests import people as cast
from tests.factories import World, build_world
from tests.hosts import loopback
from tests.serving import give_tool_key, settings_of

SUBJECTS = {"chen": "11", "wang": "12", "li": "13", "zhao": "14", "sun": "15", "zhou": "16"}
SCOPES = [
    "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem",
    "https://purl.imsglobal.org/spec/lti-ags/scope/result.readonly",
    "https://purl.imsglobal.org/spec/lti-ags/scope/score",
]


@dataclass
class Line:
    """What lies between tool and host: an answer can be lost, or held back, after the host did its work."""

    app: Callable[..., Any]
    lose: str = ""  # "POST /lineitems": the end of the path of requests whose answers are lost
    hold: str = ""
    gone: str = ""  # requests that the host answers with 404
    asked: list[str] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        self.asked.append(request)
        if self.gone and _is(request, self.gone):
            start_response("404 Not Found", [("Content-Type", "application/json")])
            return [b"[]"]
        answer = list(self.app(environ, start_response))
        if self.hold and _is(request, self.hold):
            self.held.set()
            self.go_on.wait(30)
        if self.lose and _is(request, self.lose):
            start_response("504 Gateway Timeout", [("Content-Type", "text/plain")])
            return [b"lost"]
        return answer


def _is(request: str, wanted: str) -> bool:
    method, end = wanted.split()
    return request.startswith(method) and request.endswith(end)


@dataclass
class Post:
    """The tool's side and the host's side of the same course."""

    url: str
    line: Line
    world: World
    settings: Settings
    sessions: Any
    workers: list[Worker] = field(default_factory=list)

    def worker(self) -> Worker:
        self.workers.append(Worker(self.settings))
        return self.workers[-1]

    def drain(self, worker: Worker | None = None, *, rounds: int = 60) -> None:
        """Runs jobs, whatever pause they ask for, until none is open."""
        worker = worker or self.worker()
        for _ in range(rounds):
            self.hurry()
            worker.run_due()
            if not self.open_jobs():
                return
            time.sleep(0.1)  # scores of one column are a second apart
        raise AssertionError([(job.kind, job.last_error) for job in self.open_jobs()])

    def next_second(self) -> None:
        """Waits for the clock: two scores of one column are never of the same second."""
        second = datetime.now(UTC).replace(microsecond=0)
        while datetime.now(UTC).replace(microsecond=0) == second:
            time.sleep(0.02)

    def hurry(self, *, dead: bool = False) -> None:
        """Pauses are over; `dead`: and so are the leases of workers that died."""
        now = datetime.now(UTC)
        with transaction(self.sessions) as session:
            session.execute(update(Job).where(col(Job.state) == JobState.READY).values(run_at=now))
            session.execute(delete(lti.AccessToken).where(col(lti.AccessToken.refusal).is_not(None)))
            if dead:
                past = datetime(2020, 1, 1, tzinfo=UTC)
                session.execute(update(Job).where(col(Job.state) == JobState.RUNNING).values(lease_until_at=past))

    def open_jobs(self) -> list[Job]:
        with self.sessions() as session:
            return [job for job in session.exec(select(Job)).all() if job.state in {JobState.READY, JobState.RUNNING}]

    def outage(self, *, down: bool) -> None:
        requests.post(self.url + "/practice/outage", json={"down": down}, timeout=10)

    def host(self) -> dict[str, Any]:
        found: dict[str, Any] = requests.get(self.url + "/practice/scores.json?course=1", timeout=10).json()
        return found

    def ours(self) -> list[dict[str, Any]]:
        """The columns that we made in the host's gradebook."""
        return [item for item in self.host()["line_items"] if str(item["tag"]).startswith("nengli:")]

    def grades(self, who: cast.Cast) -> dict[str, float]:
        """What the gradebook holds for a person, by "points" or "hours"."""
        found = {}
        for grade in self.host()["grades"]:
            if grade["sub"] == SUBJECTS[who.key] and str(grade["tag"]).startswith("nengli:"):
                found[grade["tag"].rpartition(":")[2]] = grade["score"]
        return found

    def deliveries(self, who: cast.Cast) -> dict[str, lti.ScoreDelivery]:
        with self.sessions() as session:
            rows = session.exec(
                select(lti.ScoreDelivery, lti.LineItem)
                .join(lti.LineItem)
                .where(lti.ScoreDelivery.person_id == self.world.person(who).id)
            ).all()
        return {column.kind.value: row for row, column in rows}

    def ask(self, *people: cast.Cast) -> None:
        """Their scores are asked for, as a release does."""
        course, now = self.world.course, datetime.now(UTC)
        with transaction(self.sessions) as session:
            for who in people:
                ids = {"course_id": pk(course), "person_id": pk(self.world.person(who))}
                outbox.put(session, course.tenant_id, outbox.SCORE, f"{ids['course_id']}:{ids['person_id']}", ids, now)


@contextmanager
def post_office(database_url: str, folder: Path) -> Iterator[Post]:
    """A committed world whose course is course 1 of a practice LMS."""
    engine = db.engine(database_url)
    sessions = db.session_factory(engine)
    keys: dict[str, Any] = {}

    def tool(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(keys).encode()]

    line = Line(lambda *_given: [])
    with loopback.served(tool) as tool_port, loopback.served(line) as port:
        url = f"http://127.0.0.1:{port}"
        tool_url = f"http://127.0.0.1:{tool_port}"
        config = PracticeConfig(
            f"http://lms.localhost:{port}",
            url,
            f"http://tool.localhost:{tool_port}",
            tool_url,
            folder / "practice",
        )
        line.app = create_practice(config)
        with sessions() as session:
            world = _world(session, url)
            keys |= lti.tool_jwks(session, datetime.now(UTC))
            session.commit()
            settings = settings_of(folder, database_url, host_rate=0)
            made = Post(url, line, world, settings, sessions)
            try:
                yield made
            finally:
                line.go_on.set()
                for worker in made.workers:
                    worker.close()
    engine.dispose()


def _world(session: Session, url: str) -> World:
    db.writes(session)
    now = datetime.now(UTC)
    world = build_world(session, now)
    give_tool_key(session, now)
    deployment = db.get(session, lti.Deployment, world.course.deployment_id)
    platform = db.get(session, lti.Platform, deployment.platform_id)
    platform.client_id, platform.token_url, platform.product = "nengli-practice", url + "/token", "nengli-practice"
    world.course.lineitems_url = url + "/ags/1/lineitems?type_id=1"
    world.course.ags_scopes = SCOPES
    for who in cast.TEACHERS:
        member = session.exec(select(CourseMember).where(CourseMember.person_id == world.person(who).id)).one()
        member.subject = SUBJECTS[who.key]
        session.add(member)
    session.add_all([platform, world.course])
    session.flush()
    return world
