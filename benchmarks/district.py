"""A district of any size in a database, for the benchmarks: a round in full swing, every state that pages can show.

The frame (units, framework, programme, roles) is made by the product's own functions; the many rows go in as plain
inserts, shaped exactly as those functions would leave them.
"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rows import Rows, Standard
from sqlmodel import Session, col, select
from works import JUDGED, WHY_NOT, Work

import competencies
import lti
import rubrics
from competencies import SubmissionState as S
from lms_plugin.db import engine, pk, session_factory, transaction
from lms_plugin.flow import curate, sessions, units
from lms_plugin.people import (
    Course,
    CourseMember,
    Enrolment,
    Exemption,
    Identity,
    OrgMembership,
    OrgUnit,
    Person,
    Role,
    RoleKind,
    RosterEntry,
    Stage,
    Tenant,
    UnitKind,
)
from rubrics import ReviewState

SCHOOLS = 10
ISSUER = "https://lms.example"
FAMILY = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = ("秀兰", "建国", "晓芳", "明霞", "立新", "文静", "春梅", "志强", "海燕", "美玲", "大勇", "新月", "小川")
SUBJECTS = ("语文", "数学", "英语", "科学", "音乐")
# The states of a teacher's three works, by turns; the first teacher (whose pages are measured) has the first line.
STATES = (
    (S.DRAFT, S.RETURNED, S.SUBMITTED),
    (S.SUBMITTED, S.SUBMITTED, S.SUBMITTED),
    (S.RELEASED, S.RELEASED, S.RELEASED),
    (S.DECIDED, S.SUBMITTED, S.DRAFT),
    (S.RELEASED, S.DECIDED, S.SUBMITTED),
    (S.DRAFT, S.DRAFT, S.DRAFT),
    (S.SUBMITTED, S.LATE, S.SUBMITTED),
    (S.RELEASED, S.RELEASED, S.SUBMITTED),
)
NEVER_CAME = 20  # one in so many of the roster never launched


@dataclass(frozen=True)
class Addresses:
    """Whose pages are measured, and the public names in their addresses; sessions are cookies by role."""

    programme: str
    county: str
    draft: str
    review: str
    case: str
    cookies: dict[str, str]


def build(url: str, teachers: int, now: datetime) -> Addresses:
    """Fills an empty migrated database with a district of that many teachers and signs in whom the pages need."""
    bind = engine(url)
    try:
        with transaction(session_factory(bind)) as session:
            return _District(session, teachers, now).fill()
    finally:
        bind.dispose()


class _District:
    """The seeding, step by step."""

    def __init__(self, session: Session, teachers: int, now: datetime) -> None:
        self.session, self.teachers, self.now, self.rows = session, teachers, now, Rows()
        self.tenant = Tenant(name="平安县", created_at=now)
        session.add(self.tenant)
        session.flush()
        self.tenant_id = pk(self.tenant)
        self.county = units.add_unit(session, self.tenant_id, UnitKind.COUNTY, "平安县")
        self.schools = [
            units.add_unit(session, self.tenant_id, UnitKind.SCHOOL, f"第{n}小学", self.county, "blended")
            for n in range(1, SCHOOLS + 1)
        ]
        self.standard = self._framework()
        self.programme = self._programme()
        self.course = self._course()
        self.trainer = self._staff("郑文华", RoleKind.TRAINER)
        self._staff("何静", RoleKind.TRAINER)
        self.officer = self._staff("林安", RoleKind.OFFICER)
        self.works: list[dict[str, Any]] = []
        self.owed: dict[int, int] = defaultdict(int)

    def fill(self) -> Addresses:
        """Everything, then the sessions."""
        # In the order in which tables point at each other.
        kinds = (
            Person, OrgMembership, Identity, CourseMember, Enrolment, RosterEntry, Exemption, competencies.Selection,
            competencies.Submission, competencies.SubmissionVersion, competencies.StoredFile, competencies.Evidence,
            rubrics.Review, rubrics.CriterionMark, rubrics.ReviewEvent, rubrics.ReviewSummary, competencies.Decision,
            competencies.Award, competencies.CreditEntry,
        )  # fmt: skip
        self.rows.begin(self.session, kinds)
        self.rows.tables = {kind: [] for kind in kinds}
        self.people = [self._teacher(index) for index in range(self.teachers)]
        self._roster_only()
        for index in range(self.teachers):
            self._handed_in(index)
        for work in self.works:
            self._reviews(work)
        self.rows.tables = {kind: rows for kind, rows in self.rows.tables.items() if rows}
        self.rows.write(self.session)
        return self._addresses()

    def _framework(self) -> Standard:
        pack = competencies.packs.load("framework_2_0")
        version = competencies.draft_from_pack(self.session, self.tenant_id, pack, self.now)
        curate.publish(self.session, version, None, self.now, under_banner=True)
        self.version = version
        points = self.session.exec(
            select(competencies.CompetencyPoint)
            .where(competencies.CompetencyPoint.framework_version_id == pk(version))
            .order_by(col(competencies.CompetencyPoint.position))
        ).all()
        requirements: dict[int, list[competencies.EvidenceRequirement]] = defaultdict(list)
        for row in self.session.exec(
            select(competencies.EvidenceRequirement).order_by(col(competencies.EvidenceRequirement.position))
        ):
            requirements[row.point_id].append(row)
        of = [row.rubric_version_id or 0 for rows in requirements.values() for row in rows]
        return Standard(list(points), dict(requirements), rubrics.criteria_of(self.session, of))

    def _programme(self) -> competencies.Programme:
        today = self.now.date()
        programme = competencies.Programme(
            tenant_id=self.tenant_id,
            framework_version_id=pk(self.version),
            title="2026年秋季校本应用考核",
            org_unit_id=pk(self.county),
            state=competencies.ProgrammeState.OPEN,
            opens_on=today - timedelta(days=30),
            submit_by_on=today + timedelta(days=10),
            review_by_on=today + timedelta(days=20),
            closes_on=today + timedelta(days=30),
            allotted_at=self.now,
            created_at=self.now,
        )
        self.session.add(programme)
        self.session.flush()
        competencies.set_rules(self.session, programme, competencies.Rules(), None, self.now)
        return programme

    def _course(self) -> Course:
        platform = lti.add_platform(
            self.session,
            self.tenant_id,
            issuer=ISSUER,
            client_id="bench",
            auth_url=f"{ISSUER}/auth",
            token_url=f"{ISSUER}/token",
            jwks_url=f"{ISSUER}/jwks",
            deployments=["1"],
            name="课程平台",
            product="moodle",
            token_audience="",
            allow_loopback=False,
            now=self.now,
        )
        deployment = self.session.exec(
            select(lti.Deployment).where(col(lti.Deployment.platform_id) == pk(platform))
        ).one()
        course = Course(
            tenant_id=self.tenant_id,
            deployment_id=pk(deployment),
            context_id="1",
            title="信息技术应用能力提升",
            programme_id=pk(self.programme),
            seen_at=self.now,
        )
        self.session.add(course)
        self.session.flush()
        return course

    def _staff(self, name: str, kind: RoleKind) -> Person:
        person = Person(
            tenant_id=self.tenant_id,
            name=name,
            introduced_at=self.now,
            confirmed_at=self.now,
            confirmed_how="person",
            created_at=self.now,
        )
        self.session.add(person)
        self.session.flush()
        self.session.add(
            Role(
                tenant_id=self.tenant_id,
                person_id=pk(person),
                kind=kind,
                org_unit_id=pk(self.county),
                granted_at=self.now,
            )
        )
        self.session.flush()
        return person

    def school(self, index: int) -> OrgUnit:
        """The school of the teacher of that number."""
        return self.schools[index % SCHOOLS]

    def _teacher(self, index: int) -> int:
        """One teacher who came: person, school, identity, membership of the course, enrolment, roster row."""
        name = FAMILY[index % len(FAMILY)] + GIVEN[index // len(FAMILY) % len(GIVEN)]
        number, subject = f"PA{index:05}", SUBJECTS[index % len(SUBJECTS)]
        now, school = self.now, pk(self.school(index))
        person = self.rows.add(
            Person,
            tenant_id=self.tenant_id,
            name=name,
            staff_number=number,
            stage=Stage.PRIMARY,
            subject=subject,
            introduced_at=now,
            confirmed_at=now,
            confirmed_how="roster",
            created_at=now,
        )
        self.rows.add(OrgMembership, person_id=person, org_unit_id=school, starts_on=now.date())
        self.rows.add(
            Identity,
            tenant_id=self.tenant_id,
            issuer=ISSUER,
            subject=number,
            person_id=person,
            first_seen_at=now,
        )
        self.rows.add(
            CourseMember,
            course_id=pk(self.course),
            person_id=person,
            subject=number,
            is_learner=True,
            is_instructor=False,
            launched_at=now,
        )
        self.rows.add(Enrolment, programme_id=pk(self.programme), person_id=person, started_at=now)
        self._on_roster(name, number, school, subject, person)
        return person

    def _on_roster(self, name: str, number: str, school: int, subject: str, person: int | None) -> int:
        return self.rows.add(
            RosterEntry,
            tenant_id=self.tenant_id,
            name=name,
            staff_number=number,
            org_unit_id=school,
            stage=Stage.PRIMARY,
            subject=subject,
            person_id=person,
            imported_at=self.now,
        )

    def _roster_only(self) -> None:
        """Teachers who never came; every third of them need not."""
        for index in range(self.teachers // NEVER_CAME):
            entry = self._on_roster(f"未来{index}", f"NC{index:05}", pk(self.school(index)), "语文", None)
            if index % 3 == 0:
                self.rows.add(
                    Exemption,
                    programme_id=pk(self.programme),
                    roster_entry_id=entry,
                    reason="产假",
                    granted_by_id=pk(self.officer),
                    granted_at=self.now,
                )

    def _handed_in(self, index: int) -> None:
        """Three chosen points of one teacher, each work in its state."""
        states = STATES[index % len(STATES)]
        points, person = self.standard.points, self.people[index]
        start = index * 7
        awards = []
        for turn, state in enumerate(states):
            point = points[(start + turn * 11) % len(points)]
            self.rows.add(
                competencies.Selection,
                programme_id=pk(self.programme),
                person_id=person,
                point_id=pk(point),
                chosen_at=self.now,
            )
            work = Work(self, index, person, point, state, turn)
            self.works.append(work.facts)
            if work.award:
                awards.append(work.award)
        if len(awards) == len(states):
            self._hours(person, competencies.CreditKind.PRACTICE, "award", awards[-1], None)
        if index % 2:
            key = hashlib.sha256(str(person).encode()).hexdigest()
            self._hours(person, competencies.CreditKind.ONLINE, "import", None, key)

    def _hours(self, person: int, kind: competencies.CreditKind, why: str, award: int | None, key: str | None) -> None:
        self.rows.add(
            competencies.CreditEntry,
            tenant_id=self.tenant_id,
            programme_id=pk(self.programme),
            person_id=person,
            kind=kind,
            credit_hundredths=2500,
            reason=why,
            policy_id=self.programme.policy_id,
            award_id=award,
            import_key=key,
            entered_at=self.now,
        )

    def _reviews(self, work: dict[str, Any]) -> None:
        """Two colleagues review a version that counts: of judged works both are in, of others by turns."""
        if work["version"] is None or work["state"] is S.LATE:
            return
        index, marked = work["index"], 2 if work["state"] in JUDGED else work["index"] // len(STATES) % 3
        for turn in (1, 2):
            reviewer = self.people[(index + turn * SCHOOLS) % self.teachers]
            if reviewer == work["person"]:
                continue
            self.owed[reviewer] += 1
            is_in = turn <= marked
            level = (2 if index % 5 == 0 else 1) if work["state"] is not S.RETURNED else 0
            review = self.rows.add(
                rubrics.Review,
                tenant_id=self.tenant_id,
                programme_id=pk(self.programme),
                submission_id=work["id"],
                submission_version_id=work["version"],
                reviewer_id=reviewer,
                state=ReviewState.SUBMITTED if is_in else ReviewState.OPEN,
                blind_number=self.owed[reviewer],
                point_level=level if is_in else None,
                due_at=self.now + timedelta(days=20),
                allotted_at=self.now,
                opened_at=self.now,
                saved_at=self.now,
                submitted_at=self.now if is_in else None,
            )
            work["open"] = work.get("open") or (None if is_in else (review, reviewer))
            for item, marks in self.standard.marks(work["point"], level).items():
                for criterion, value in marks.items():
                    self.rows.add(
                        rubrics.CriterionMark,
                        review_id=review,
                        requirement_key=item,
                        criterion_key=criterion,
                        level=value,
                        reason=WHY_NOT if value == 0 else "",
                    )
            self.rows.add(
                rubrics.ReviewEvent,
                review_id=review,
                submission_version_id=work["version"],
                person_id=reviewer,
                kind="opened",
                at=self.now,
            )
        if marked:
            self.rows.add(
                rubrics.ReviewSummary,
                submission_version_id=work["version"],
                submitted=marked,
                is_agreed=marked == 2,
                differs_on_pass=False,
                agreed_level=1,
                changed_at=self.now,
            )

    def _addresses(self) -> Addresses:
        session, first = self.session, self.people[0]
        mine = {work["state"]: work for work in self.works if work["person"] == first}
        waiting = next(
            work
            for work in self.works
            if work["state"] is S.SUBMITTED and work["person"] != first and not work.get("open") and work["version"]
        )
        review_id, reviewer = next(work["open"] for work in self.works if work.get("open"))
        review = session.get_one(rubrics.Review, review_id)
        course = self.course
        signed_in = {
            "teacher": (session.get_one(Person, first), course),
            "reviewer": (session.get_one(Person, reviewer), course),
            "trainer": (self.trainer, course),
            "officer": (self.officer, None),
        }
        cookies = {
            who: sessions.open_session(
                session,
                person,
                place,
                timedelta(hours=8),
                self.now,
                locale="zh-Hans",
                return_url=f"{ISSUER}/course/1",
                platform_origin=ISSUER,
            ).token
            for who, (person, place) in signed_in.items()
        }
        return Addresses(
            programme=self.programme.uuid,
            county=self.county.uuid,
            draft=mine[S.DRAFT]["uuid"],
            review=review.uuid,
            case=waiting["uuid"],
            cookies=cookies,
        )
