"""What the rows of tokens, grades and rosters need: a running tool, its worker and queue, and a fake host of a course.

Time is the bench's: it goes on to the next job that is due, so that nothing here waits for a pause.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import requests
from sqlalchemy import func
from sqlmodel import Session, col, select

import lti
from lms_plugin import db, outbox
from lms_plugin.config import Settings
from lms_plugin.db import pk, transaction
from lms_plugin.flow.deliveries import resend
from lms_plugin.net import Http
from lms_plugin.outbox import Job, JobState
from lms_plugin.people import Course, Person
from lms_plugin.worker import Worker
from tests import people as cast
from tests.factories import member_row
from tests.flow.earned import earn
from tests.hosts import fake
from tests.lti.conformance.bench import Bench
from tests.serving import SECRET, give_tool_key, settings_of

AGS = [fake.LINE_ITEM, fake.RESULT, fake.SCORE]


@dataclass
class Office:
    """The tool's side and the host's side of one course. A teacher's subject there is that of the world: sub-chen."""

    bench: Bench
    host: fake.Host
    settings: Settings
    sessions: Any
    workers: list[Worker] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return self.bench.clock[0]

    def later(self, seconds: float) -> Self:
        self.bench.clock[0] += timedelta(seconds=seconds)
        return self

    # --- the tool ---

    @property
    def platform_id(self) -> int:
        with self.sessions() as session:
            return db.get(session, lti.Deployment, self.bench.world.course.deployment_id).platform_id

    def set_platform(self, **values: Any) -> None:
        with transaction(self.sessions) as session:
            row = db.get(session, lti.Platform, self.platform_id)
            for name, value in values.items():
                setattr(row, name, value)
            session.add(row)

    def set_course(self, **values: Any) -> None:
        """What the course's latest launch offered."""
        with transaction(self.sessions) as session:
            row = db.get(session, Course, pk(self.bench.world.course))
            for name, value in values.items():
                setattr(row, name, value)
            session.add(row)

    def client(self, *scopes: str) -> "lti.ServiceClient":
        """A client of the course's platform, as jobs have it."""
        http = Http(allow_loopback=True)
        with transaction(self.sessions) as session:
            wanted = list(scopes or AGS)
            return lti.service_client(session, self.platform_id, wanted, SECRET, http, self.now, self.sessions)

    def earn(self, who: cast.Cast, *codes: str) -> None:
        """Points are released: the scores are queued as the product does it."""
        world = self.bench.world
        world.session.expire_all()
        earn(world, who, *codes)
        world.session.commit()

    def ask(self, *people: Person, course: Course | None = None) -> None:
        """Scores of these people are asked for."""
        course = course or self.bench.world.course
        with transaction(self.sessions) as session:
            for person in people:
                ids = {"course_id": pk(course), "person_id": pk(person)}
                key = f"{ids['course_id']}:{ids['person_id']}"
                outbox.put(session, course.tenant_id, outbox.SCORE, key, ids, self.now)

    def ask_again(self, who: cast.Cast) -> None:
        """ "再发一次": an officer wants ours to stand there."""
        world = self.bench.world
        with transaction(self.sessions) as session:
            resend(session, world.actor(cast.OFFICER), world.course.uuid, world.person(who).uuid, self.now)

    def member(self, who: cast.Cast) -> Person:
        return self.bench.world.person(who)

    def crowd(self, number: int) -> list[Person]:
        """So many more people who launched from the course and are on the host's roster."""
        world, made = self.bench.world, []
        with transaction(self.sessions) as session:
            for one in range(number):
                person = Person(tenant_id=pk(world.tenant), name=f"参训 {one}", created_at=self.now)
                session.add(person)
                session.flush()
                enrol(session, pk(world.course), person, f"sub-{one}", self.now)
                made.append(person)
        self.host.enrol(*(fake.Person(f"sub-{one}") for one in range(number)))
        return made

    def worker(self) -> Worker:
        self.workers.append(Worker(self.settings, lambda: self.now))
        return self.workers[-1]

    def open_jobs(self) -> list[Job]:
        with self.sessions() as session:
            wanted = col(Job.state).in_([JobState.READY, JobState.RUNNING])
            return list(session.exec(select(Job).where(wanted).order_by(col(Job.id))).all())

    def drain(self, *, rounds: int = 40, worker: Worker | None = None) -> None:
        """Runs jobs until none is open; time goes on to each next one."""
        worker = worker or self.worker()
        for _ in range(rounds):
            worker.run_due()
            open_jobs = self.open_jobs()
            if not open_jobs:
                return
            with self.sessions() as session:
                ends = select(func.min(Job.run_at)).where(Job.state == JobState.READY)
                soonest = session.exec(ends).one() or self.now
            soonest = soonest if soonest.tzinfo else soonest.replace(tzinfo=self.now.tzinfo)
            self.bench.clock[0] = max(self.now + timedelta(seconds=1), soonest)
        raise AssertionError([(job.kind, job.last_error) for job in self.open_jobs()])

    def delivery(self, who: cast.Cast, kind: str = "points") -> lti.ScoreDelivery:
        """Where the person's score for that column stands."""
        with self.sessions() as session:
            return session.exec(
                select(lti.ScoreDelivery)
                .join(lti.LineItem)
                .where(
                    lti.ScoreDelivery.person_id == pk(self.member(who)),
                    lti.LineItem.kind == lti.LineItemKind(kind),
                )
            ).one()

    # --- the host ---

    def ours(self, kind: str = "points") -> list[fake.Item]:
        """Our columns of that kind in the host's gradebook."""
        return [item for item in self.host.items.values() if item.tag.endswith(f":{kind}")]

    def grade(self, who: cast.Cast, kind: str = "points") -> float | None:
        """What a trainer sees there, as a share of the column's maximum."""
        (item,) = self.ours(kind)
        value = self.host.grade(item.key, subject(who))
        return None if value is None else value / item.maximum

    def scores(self, who: cast.Cast | None = None) -> list[dict[str, Any]]:
        """The scores that came, as they came."""
        sent = [one.json() for one in self.host.requests("POST scores")]
        return [one for one in sent if who is None or one["userId"] == subject(who)]


def subject(who: cast.Cast) -> str:
    return f"sub-{who.key}"


def enrol(session: Session, course_id: int, person: Person, sub: str, now: datetime) -> None:
    """The person launched from the course."""
    session.add(member_row(course_id, pk(person), now, sub))


@contextmanager
def office(bench: Bench, host: fake.Host, folder: Path) -> Iterator[Office]:
    """The bench's course is course 2 of the host, which reads our key set where the tool shows it."""
    sessions = db.session_factory(bench.engine)
    url = bench.engine.url.render_as_string(hide_password=False)
    settings = settings_of(folder, url, public_url=bench.url, host_rate=0)
    host.tool_keys = lambda: requests.get(bench.url + "/.well-known/jwks.json", timeout=10).json()
    host.clock = lambda: bench.clock[0]
    with transaction(sessions) as session:
        give_tool_key(session, bench.now)
    with fake.serving(host):
        made = Office(bench, host, settings, sessions)
        audience = "" if host.audience == host.token_url else host.audience
        made.set_platform(
            client_id=host.client_id, token_url=host.token_url, token_audience=audience, product=host.product
        )
        made.set_course(
            lineitems_url=host.lineitems(), ags_scopes=sorted(AGS), memberships_url=host.memberships(), lineitem_url=""
        )
        host.enrol(*(fake.Person(subject(who), who.name) for who in cast.TEACHERS))
        try:
            yield made
        finally:
            for worker in made.workers:
                worker.close()
