"""A district in the middle of its work, served on loopback: every page has something to show, in each of its states."""

import copy
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path

from flask import Flask
from sqlmodel import Session, col, select

import competencies
import lti
import rubrics
from competencies import exchange, load_pack, load_reference, references
from lms_plugin import db, leaving, platform_events
from lms_plugin.access import Actor
from lms_plugin.config import Settings
from lms_plugin.db import get, pk
from lms_plugin.flow import (
    archive_making,
    archives,
    asks,
    attendance,
    audit,
    calibration_desk,
    cases,
    certificate_bundles,
    certificates,
    crosswalk,
    curate,
    cycle_certificates,
    digest,
    editing,
    enter,
    exemptions,
    extensions,
    flags,
    holidays,
    host_list,
    import_reversals,
    invitations,
    messages_mail,
    moving,
    own_phrases,
    remarking,
    reversal,
    review,
    sessions,
    sign_in,
    submit,
    succession,
    training_hours,
    trainings,
    unit_seals,
    workloads,
)
from lms_plugin.inbox import MailAddress
from lms_plugin.people import Course, CourseMember, HostList, Notice, OrgUnit, Person, Role, RoleKind, RosterEntry
from lms_plugin.storage import Storage
from lms_plugin.web import look
from tests import ledgers
from tests import people as cast
from tests.certified import PAPER, certificate_for, picture_of_a_seal
from tests.competencies import packs_made
from tests.factories import (
    ISSUER,
    Browser,
    World,
    actor_of,
    add_person,
    course_of,
    grant,
    link_request,
    member_row,
    programme_of,
    world_in,
)
from tests.flow.earned import earn
from tests.flow.handed_in import all_marks, cast_of, finish_review, hand_in, judgement, reviews_of
from tests.gradebooks import column, score
from tests.rosters import HEAD, add_entry, put_on_roster, roster_rows, workbook
from tests.serving import tool_on_loopback
from tests.web import pages_appeals, pages_chain, pages_proofs, pages_transfers

FILES = Path(__file__).resolve().parent.parent / "files"
NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
NEW = cast.Cast("new", "", "希望小学", "")  # came for the first time, has said nothing yet
OF_PRINCIPALS = [{"category": "principal", "required_points": 2, "only": ["multimedia", "C1"], "target": 3}]
TEXT = "目标：学生能说出把难点讲清楚的三种办法。\n过程：先看动画，再分组试一试，最后说一说。"


@dataclass
class Pages:
    """The district, its tool on loopback, and the names under which pages are asked for."""

    world: World
    programme: str = ""
    url: str = ""
    uuids: dict[str, str] = field(default_factory=dict)
    cookies: dict[tuple[str, str], str] = field(default_factory=dict)


@contextmanager
def served(database_url: str, folder: Path) -> Iterator[Pages]:
    """The district in that database and the whole tool serving it, as long as the block lasts."""
    with tool_on_loopback(database_url, folder, lambda: NOW) as tool, tool.sessions() as session:
        db.writes(session)
        pages = Pages(world_in(session, NOW), url=tool.url)
        pages.programme = pages.world.programme.uuid
        _populate(pages)
        session.commit()
        _by_hand(pages, tool.app)
        session.commit()
        db.writes(session)
        pages.uuids |= pages_chain.populate(pages.world, NOW)
        pages.uuids |= pages_appeals.populate(pages.world, NOW)
        pages.uuids |= pages_transfers.populate(pages.world, NOW)
        _let_look(pages, tool.app)
        _sign_in(pages)
        pages.cookies |= pages_proofs.populate(pages.world, NOW)
        _lie_there(session, tool.settings)
        _wants_letters(pages, tool.settings)
        session.commit()
        yield pages


def _let_look(pages: Pages, app: Flask) -> None:
    """The platform lets anybody look: a course that is under way, and one that nobody has begun."""
    session, course = pages.world.session, pages.world.course
    deployment = get(session, lti.Deployment, course.deployment_id)
    get(session, lti.Platform, deployment.platform_id).lets_look = True
    with app.test_request_context():
        for name, context in (("look", course.context_id), ("look.nothing", "unheard-of")):
            pages.uuids[name] = look.address_of(pk(deployment), context, "").rpartition("/")[2]


def _lie_there(session: Session, settings: Settings) -> None:
    """What was packed is on the disk, though not so large."""
    storage = Storage(settings.storage_dir)
    for key in session.exec(select(competencies.bundles.CertificateBundle.storage_key)):
        storage.create(key)
        storage.commit(key)
    settings.archive_dir.mkdir(parents=True, exist_ok=True)
    for uuid in session.exec(select(leaving.TenantArchive.uuid)):
        archive_making.file_of(settings.archive_dir, uuid).touch()


def _wants_letters(pages: Pages, settings: Settings) -> None:
    """Somebody gets letters, with a link that ends them."""
    row = MailAddress(
        tenant_id=pk(pages.world.tenant),
        person_id=pk(pages.world.person(cast.ZHOU)),
        address="zhou@school.example",
        hour=9,
        code_at=NOW,
        confirmed_at=NOW,
    )
    pages.world.session.add(row)
    pages.world.session.flush()
    pages.uuids["off"] = messages_mail.off_token(row, settings.secret_key.get_secret_value())


def _populate(pages: Pages) -> None:
    """Works in every state, reviews in every state, scores on their way in every state, lists, invitations, notices."""
    world, uuids = pages.world, pages.uuids
    trainer, officer = world.actor(cast.TRAINER), world.actor(cast.OFFICER)
    works = {who.key: hand_in(world, who, "A3", NOW - 2 * HOUR, TEXT) for who in (cast.WANG, cast.LI, cast.SUN)}
    works["chen"] = hand_in(world, cast.CHEN, "A7", NOW - 2 * HOUR, TEXT)
    review.allocate(world.session, officer, world.programme, 5, NOW)
    first, second = reviews_of(world, works["li"])
    finish_review(world, first, NOW, level=2, changes={"slides.rights": 0})
    reader = world.actor(cast_of(world, second.reviewer_id))
    review.open_review(world.session, reader, second.uuid, NOW)
    for one in reviews_of(world, works["wang"]):
        finish_review(world, one, NOW, level=1)
    earn(world, cast.CHEN, "A3", "A5", "B1", level=2)
    uuids["earned"] = work_of(world, cast.CHEN, "A3")
    rude = flags.Said("rude", "请说具体一点。")
    uuids["flag"] = flags.flag_reason(world.session, world.actor(cast.CHEN), uuids["earned"], rude, NOW).uuid
    earn(world, cast.ZHAO, "B1")
    uuids["award"], uuids["revoked"] = award_of(world, cast.CHEN), award_of(world, cast.ZHAO)
    reversal.reverse(
        world.session, officer, pages.programme, world.person(cast.ZHAO).uuid, "award", uuids["revoked"], "误录", NOW
    )
    uuids["taken_back"] = work_of(world, cast.ZHAO, "B1")
    earn(world, cast.SUN, "A7", level=0)
    uuids["again"] = work_of(world, cast.SUN, "A7")
    earn(world, cast.SUN, "B3", level=0)
    uuids["failed"] = work_of(world, cast.SUN, "B3")
    _certificates(pages)
    submit.prepare_again(world.session, world.actor(cast.SUN), uuids["again"], NOW)
    marks = all_marks(world, works["sun"], 1)
    cases.decide(world.session, trainer, works["sun"].uuid, judgement(marks), 0, 1, NOW)
    uuids["decided"], uuids["waiting"] = works["sun"].uuid, works["li"].uuid
    agreed = hand_in(world, cast.SUN, "A5", NOW - 2 * HOUR, TEXT)
    late = hand_in(world, cast.ZHAO, "A3", NOW - HOUR, TEXT)
    late.state = competencies.SubmissionState.LATE
    world.session.add_all([late, agreed])
    failed = all_marks(world, works["wang"], 1, changes={"slides.rights": 0})
    cases.return_work(
        world.session, trainer, works["wang"].uuid, judgement(failed, "图片没有写出处，补上就行。"), 0, 1, NOW
    )
    uuids["returned"], uuids["late"] = works["wang"].uuid, late.uuid
    own_phrases.add_phrase(world.session, trainer, "重点没有讲清楚，请补一段讲解难点的片段。", NOW)
    _deliveries(world)
    uuids["scores"] = _one_course(world)
    _platforms(pages)
    _lists(pages)
    _trainings(pages)
    _statements(pages)
    _host_lists(pages)
    _draws(pages)
    _asks(pages)
    # Nothing of the shipped standard takes an address; here one item does, so that its page is seen too.
    taught = world.session.exec(
        select(competencies.EvidenceRequirement).where(
            competencies.EvidenceRequirement.point_id == pk(world.point("A6")),
            competencies.EvidenceRequirement.key == "clip",
        )
    ).one()
    taught.alt_kinds = [*taught.alt_kinds, "link"]
    world.session.add(taught)
    # A later allotment leaves the newest works without anybody: the shortage page has something to say.
    world.set_rules(review={"exclude_own_school": True, "max_reviews": 1})
    hand_in(world, cast.ZHOU, "A7", NOW - 2 * HOUR, TEXT)
    review.allocate(world.session, officer, world.programme, 6, NOW)
    world.set_rules(review={"course_groups": "first"}, result={"retakes": 0})


def _draws(pages: Pages) -> None:
    """An auditor drew all entries once, and has a question about the first; of another draw everything is in order."""
    world, auditor = pages.world, pages.world.actor(cast.AUDITOR)
    for who in (cast.LI, cast.ZHOU):
        ledgers.add_entry(world, 50, who)
    competencies.seal(world.session, pk(world.tenant), NOW)
    for key in ("draw", "draw_done"):
        wish = audit.Wish(pages.programme, "", None, None, 20, "2026-11-02", key)
        row = audit.draw(world.session, auditor, wish, NOW)
        pages.uuids[key] = row.uuid
        pages.uuids[f"{key}_place"] = str(1 + next(i for i, e in enumerate(row.entry_ids) if _by_award(world, e)))
        if key == "draw":
            audit.say(world.session, auditor, row.uuid, 1, "question", "互评意见和等级对不上，请学校说明。", NOW)
        else:
            for place in range(1, len(row.entry_ids) + 1):
                audit.say(world.session, auditor, row.uuid, place, "in_order", "", NOW)


def _asks(pages: Pages) -> None:
    """One request of a teacher's that was answered, and one that waits."""
    world, chen = pages.world, pages.world.actor(cast.CHEN)
    for key, text in (
        ("ask_done", "A3 的学时什么时候记？"),
        ("ask_open", "10 月 8 日省平台的网络研修 6 学时没有记上。"),
    ):
        pages.uuids[key] = asks.ask(world.session, chen, pages.programme, "", text, NOW).uuid
    reply = "三个能力点都发布以后一次记入。"
    asks.answer(world.session, world.actor(cast.OFFICER), pages.uuids["ask_done"], "explained", reply, NOW)


def _by_award(world: World, entry_id: int) -> bool:
    return get(world.session, competencies.CreditEntry, entry_id).award_id is not None


def _statements(pages: Pages) -> None:
    """What people did for others, certified; one was taken back."""
    world, kind = pages.world, competencies.workloads.WorkStatement
    session, officer = world.session, world.actor(cast.OFFICER)
    workloads.issue(session, officer, pages.programme, "平教培〔2026〕30 号", NOW)
    held = session.exec(select(kind).where(kind.person_id == pk(world.person(cast.LEAD)))).one()
    ended = session.exec(select(kind).where(kind.id != pk(held)).order_by(col(kind.id))).all()[0]
    workloads.revoke(session, officer, ended.uuid, "姓名印错了", NOW)
    pages.uuids |= {"statement": held.uuid, "statement.ended": ended.uuid, "work_code": held.code}


def _certificates(pages: Pages) -> None:
    """One that holds, and one that was taken back."""
    world = pages.world
    held, ended = certificate_for(world, cast.CHEN, 100), certificate_for(world, cast.LI, 100)
    certificates.revoke(world.session, world.actor(cast.OFFICER), ended.uuid, "姓名印错了", NOW)
    for key, name, unit in (("keeper", "郑印", world.county), ("school_keeper", "薛印", world.schools["希望小学"])):
        who = cast.Cast(key, name, "希望小学", key.upper())
        world.persons[key] = add_person(world.session, world.tenant, unit, who, NOW)
        grant(world.session, world.persons[key], RoleKind.SEAL, unit, NOW)
    certificates.set_terms(world.session, world.actor(cast.OFFICER), pages.programme, PAPER, False, NOW)
    chen, officer = world.person(cast.CHEN).uuid, world.actor(cast.OFFICER)
    cycle = cycle_certificates.issue_to(world.session, officer, chen, "2026-2030", NOW)
    keeper = actor_of(world.session, world.persons["keeper"])
    unit_seals.put(world.session, keeper, world.county.uuid, picture_of_a_seal(), NOW)
    unit_seals.stamp(world.session, keeper, world.county.uuid, pages.programme, "certificates", NOW)
    for place in (world.county, world.schools["希望小学"]):
        bundle = certificate_bundles.ask(world.session, world.actor(cast.OFFICER), pages.programme, place.uuid, NOW)
        bundle.state, bundle.total, bundle.done = competencies.bundles.BundleState.MAKING, 640, 210
    bundle.state, bundle.done, bundle.left_out = competencies.bundles.BundleState.READY, 640, 2
    bundle.size_bytes, bundle.ended_at = 150_000_000, NOW
    packed = archives.ask(world.session, world.actor(cast.OFFICER), NOW)
    packed.state, packed.rows, packed.files, packed.missing = leaving.ArchiveState.READY, 182_341, 9_120, 2
    packed.size_bytes, packed.ended_at, packed.manifest_hash = 41_000_000_000, NOW, "5f" * 32
    _arriving(world.session, pages)
    pages.uuids |= {
        "certificate": held.uuid,
        "certificate.cycle": cycle.uuid,
        "cycle.code": cycle.code,
        "certificate.ended": ended.uuid,
        "paper.code": held.code,
    }


def _arriving(session: Session, pages: Pages) -> None:
    """Districts that the operator has taken in: one under way, one that failed, one that has arrived."""
    states = leaving.IntakeState
    for state in (states.CHECKING, states.FILES, states.RECORDS, states.CANCELLED, states.FAILED, states.DONE):
        code = pages.uuids[f"intake.{state.value}"] = f"an-address-{state.value}"
        made = leaving.ArchiveIntake(
            **{"code_hash": hashlib.sha256(code.encode()).hexdigest(), "path": "/mnt/arrived.zip", "name": "安远县"},
            **{"manifest_hash": "5f" * 32, "state": state, "rows": 182_341, "all_rows": 182_341, "asked_at": NOW},
            **{"files": 3120, "all_files": 9120, "bytes": 14_000_000_000, "all_bytes": 41_000_000_000},
        )
        if state is states.FAILED:
            made.problem, made.problem_params = "archive.numbers_taken", {"table": "person"}
        session.add(made)


def work_of(world: World, who: cast.Cast, code: str) -> str:
    """The uuid of a person's work on a point."""
    return world.session.exec(
        select(competencies.Submission.uuid).where(
            competencies.Submission.person_id == pk(world.person(who)),
            competencies.Submission.point_id == pk(world.point(code)),
        )
    ).one()


def award_of(world: World, who: cast.Cast) -> str:
    """The uuid of a person's first award."""
    return world.session.exec(
        select(competencies.Award.uuid)
        .where(competencies.Award.person_id == pk(world.person(who)))
        .order_by(col(competencies.Award.id))
    ).all()[0]


def _deliveries(world: World) -> None:
    """One column of one course for each state that a score can be in; the last course runs another programme by now."""
    chen = world.person(cast.CHEN)
    words = {lti.DeliveryState.FAILED: "403 Forbidden", lti.DeliveryState.RETRYING: "502 Bad Gateway"}
    states = [*lti.DeliveryState, lti.DeliveryState.DELIVERED]
    for place, state in enumerate(states):
        course = course_of(world.session, world.tenant, f"course-{place + 10}", NOW)
        course.title = f"信息技术应用能力提升（{place + 1}班）"
        course.programme_id = pk(world.programme) if place + 1 < len(states) else None
        world.session.add(_member(course, chen, learner=True))
        item = column(world, course, url=f"{ISSUER}/columns/{place}", label="能力点")
        score(world, item, chen, state, given_hundredths=300, host_words=words.get(state, ""))


def _one_course(world: World) -> str:
    """A course whose people's scores stand in every way, and the day's notice of it."""
    course = course_of(world.session, world.tenant, "course-scores", NOW)
    course.title, course.programme_id = "信息技术应用能力提升（骨干班）", pk(world.programme)
    world.session.flush()
    most = {lti.LineItemKind.POINTS: 300, lti.LineItemKind.HOURS: 2500}
    items = [
        column(world, course, kind=kind, url=f"{ISSUER}/columns/{kind.value}", maximum_hundredths=hundredths)
        for kind, hundredths in most.items()
    ]
    state = lti.DeliveryState
    stand = {
        cast.CHEN: (state.FAILED, "ags.token_refused", "HTTP 400 invalid_client"),
        cast.WANG: (state.FAILED, "ags.token_refused", "HTTP 400 invalid_client"),
        cast.LI: (state.NOT_A_LEARNER, "ags.refused", "HTTP 400 Incorrect score received"),
        cast.ZHAO: (state.OVERRIDDEN, "ags.refused", "HTTP 409 (0.9)"),
        cast.SUN: (state.RETRYING, "net.timeout", ""),
        cast.ZHOU: (state.DELIVERED, "", ""),
    }
    for who, (points, trouble, words) in stand.items():
        world.session.add(_member(course, world.person(who), learner=True))
        for item in items:
            given = item.maximum_hundredths
            score(world, item, world.person(who), points, trouble, given_hundredths=given, host_words=words)
    world.session.add(
        Notice(
            tenant_id=pk(world.tenant),
            kind=digest.STUCK,
            key=course.uuid,
            params={"course": course.title, "people": 3},
            raised_at=NOW,
        )
    )
    world.session.flush()
    return course.uuid


def _outside(pages: Pages) -> int:
    """An activity whose host names no course, and who teaches there."""
    world = pages.world
    space = course_of(world.session, world.tenant, "outside", NOW)
    space.title, space.context_id = "一处课外的活动", "link:outside"
    trainer = world.person(cast.TRAINER)
    world.session.add(_member(space, trainer, learner=False))
    world.session.add(
        Role(
            tenant_id=pk(world.tenant),
            person_id=pk(trainer),
            kind=RoleKind.TRAINER,
            course_id=pk(space),
            is_provisional=True,
            granted_at=NOW,
        )
    )
    world.session.flush()
    pages.uuids["space"] = space.uuid
    return pk(space)


def _platforms(pages: Pages) -> None:
    """One registration in use, one that is disabled, one at which an unknown deployment knocked; what was done about
    the disabled one."""
    session, tenant_id = pages.world.session, pk(pages.world.tenant)
    rows = lti.platforms(session, tenant_id)[:3]
    for name, row in zip(("platform", "platform.off", "platform.knocked"), rows, strict=True):
        pages.uuids[name] = row.uuid
    rows[0].name, rows[1].is_disabled = "县研修平台", True
    lti.add_deployments(session, rows[1], ["of-a-neighbour"], NOW)
    lti.withdraw_deployment(session, rows[1], "of-a-neighbour")
    place, act, it = (tenant_id, pk(rows[1])), platform_events.PlatformAct, pk(pages.world.person(cast.IT))
    platform_events.note(session, place, act.REGISTERED, None, NOW)
    platform_events.note(session, place, act.APPROVED, it, NOW, "of-a-neighbour")
    platform_events.note(session, place, act.WITHDRAWN, it, NOW, "of-a-neighbour")
    platform_events.note(session, place, act.DISABLED, it, NOW)
    said = {"message": "LtiResourceLinkRequest", "version": "1.3.0", "deployment": "2", "subject": "10…"}
    seen: list[tuple[str, lti.Platform, str, str, dict[str, str]]] = [
        ("TEST-AAAA", rows[0], "launched", "", {"browser": "no cookie"}),
        ("TEST-BBBB", rows[2], "launch.deployment_unknown", "2", {"deployment": "launch.deployment_unknown"}),
        ("TEST-CCCC", rows[1], "login.platform_disabled", "", {"platform": "login.platform_disabled"}),
        ("TEST-DDDD", rows[0], "register.refused", "401 token_already_used", {"answer": "register.refused"}),
    ]
    for reference, row, outcome, detail, checks in seen:
        session.add(
            lti.LaunchLog(
                reference=reference,
                tenant_id=tenant_id,
                platform_id=pk(row),
                issuer=row.issuer,
                client_id=row.client_id,
                outcome=outcome,
                detail=detail,
                checks=checks,
                claims=said if outcome.startswith("launch") else {},
                at=NOW,
            )
        )
    session.flush()


def _member(course: Course, person: Person, *, learner: bool) -> CourseMember:
    return member_row(pk(course), pk(person), NOW, f"sub-{person.uuid}", learner=learner)


def _lists(pages: Pages) -> None:
    """Roster with exemption and removal, a course without a round, other rounds, a draft standard, an invitation."""
    world, uuids, session = pages.world, pages.uuids, pages.world.session
    officer, school = world.actor(cast.OFFICER), world.schools["希望小学"]
    for who in cast.TEACHERS:
        entry = put_on_roster(world, who)
        uuids.setdefault("entry", entry.uuid)
    leave = add_entry(world, school, "XW020", "钱玉梅")
    exemptions.exempt(session, officer, leave.uuid, pages.programme, "产假（希小〔2026〕5号）", NOW)
    gone = add_entry(world, school, "XW021", "冯大力")
    gone.removed_at = NOW
    uuids["exempt"], uuids["gone"] = leave.uuid, gone.uuid
    person = add_person(session, world.tenant, school, NEW, NOW, confirmed=False)
    person.introduced_at = None
    world.persons[NEW.key] = person
    twin = cast.Cast("twin", "陈晓芳", "希望小学", "XW001X")
    world.persons["twin"] = add_person(session, world.tenant, school, twin, NOW, confirmed=False)
    unbound = course_of(session, world.tenant, "course-new", NOW)
    unbound.title = "没有设好的课"
    session.add_all(
        [
            gone,
            person,
            unbound,
            _member(unbound, world.person(cast.OTHER_TRAINER), learner=False),
            _member(unbound, person, learner=True),
        ]
    )
    session.flush()
    enter.raise_notice(session, pk(world.tenant), "course.waiting", unbound.uuid, {"course": unbound.title}, NOW)
    uuids["course"] = unbound.uuid
    until = world.programme.submit_by_on + timedelta(days=3)
    longer = extensions.ExtensionForm(world.schools["希望小学"].uuid, "", until, "防汛停课")
    extensions.grant(session, officer, pages.programme, longer, NOW)
    for key, state in (("draft", competencies.ProgrammeState.DRAFT), ("closed", competencies.ProgrammeState.CLOSED)):
        other = programme_of(session, world.tenant, world.county, world.framework, f"2025年考核（{key}）", NOW)
        other.state, other.make_up = state, int(key == "closed")
        session.add(other)
        uuids[key] = other.uuid
        if key == "draft":
            years = [{"year": 2026 + later, "percent": percent} for later, percent in enumerate((30, 50, 20))]
            rules = {"cohorts": years, "concerns": ["backbone", "principal"], "categories": OF_PRINCIPALS}
            competencies.set_rules(session, other, competencies.Rules.model_validate(rules), None, NOW)
            enter.enrol(session, pk(other), pk(world.person(cast.WANG)), NOW)  # a teacher: it is for others
        if key == "closed":
            days = {"before": competencies.days_of(world.programme), "after": competencies.days_of(other)}
            competencies.note_event(session, other, "make_up", officer.person_id, NOW, "教字〔2026〕9号", days)
    # What a curator still has to confirm: the same pack in a wording of its own.
    loaded = competencies.packs.load("framework_2_0")
    again = loaded.model_copy(update={"framework": loaded.framework.model_copy(update={"notice_zh": "本县试用稿。"})})
    uuids["version"] = competencies.draft_from_pack(session, pk(world.tenant), again, NOW).uuid
    _row, uuids["code"] = invitations.invite(session, officer, RoleKind.TRAINER, world.county, NOW)


def _trainings(pages: Pages) -> None:
    """A training in each of its states: open for sign-in, over, closed, cancelled; a school's and the county's."""
    world, uuids, session = pages.world, pages.uuids, pages.world.session
    lead, officer = world.actor(cast.LEAD), world.actor(cast.OFFICER)

    def planned(title: str, actor: Actor, unit: OrgUnit, starts_at: datetime) -> competencies.Training:
        said = trainings.Plan(
            title=title,
            programme=pages.programme,
            unit=unit.uuid,
            kind=competencies.TrainingKind.SCHOOL_BASED,
            expects=competencies.Expects.ROSTER,
            starts_at=starts_at,
            ends_at=starts_at + 2 * HOUR,
            place="阶梯教室",
        )
        return trainings.plan(session, actor, said, NOW)

    school = world.schools["希望小学"]
    made = {
        "open": planned("用好一体机", lead, school, NOW),
        "over": planned("课件制作工作坊", lead, school, NOW - 30 * HOUR),
        "closed": planned("校本研修第一次", lead, school, NOW - 60 * HOUR),
        "cancelled": planned("停电那天的培训", lead, school, NOW + 60 * HOUR),
        "county": planned("全县集中培训", officer, world.county, NOW + 90 * HOUR),
    }
    uuids.update({f"training_{name}": row.uuid for name, row in made.items()})
    trainings.cancel(session, lead, made["cancelled"].uuid, "停电", NOW)
    shown = session.exec(select(RosterEntry.uuid).where(RosterEntry.org_unit_id == pk(school))).all()
    for name in ("over", "closed"):
        attendance.tick(session, lead, made[name].uuid, shown, shown, NOW)
    training_hours.close(session, lead, made["closed"].uuid, NOW)
    code = competencies.trainings.rotating_code(made["open"].sign_in_secret, NOW)
    sign_in.by_code(session, world.actor(cast.WANG), code, NOW)
    uuids["code_now"] = code
    first = (
        select(competencies.Attendance.uuid)
        .where(competencies.Attendance.training_id == pk(made["closed"]))
        .order_by(col(competencies.Attendance.id))
    )
    uuids["attendance"] = session.exec(first).all()[0]
    sign_in.renew(session, world.actor(cast.CHEN), "k" * 40, NOW)


def _host_lists(pages: Pages) -> None:
    """The host lists the people of the course, some of whom never came, left, or are there as teachers alone; another
    course's list is refused."""
    world, uuids, session = pages.world, pages.uuids, pages.world.session
    world.course.memberships_url = f"{ISSUER}/memberships"
    listed = [
        lti.Member(f"sub-{who.key}", who.name, "", "", frozenset({"Learner"}), groups=("g1",)) for who in cast.TEACHERS
    ]
    listed[0] = lti.Member("sub-chen", "陈小芳", "", "", frozenset({"Learner"}))
    listed.append(lti.Member("77", "", "", "", frozenset({"Learner"})))
    listed.append(lti.Member("78", "孟没来", "", "", frozenset({"Learner"}), "Inactive"))
    gone = lti.Member("79", "走了的人", "", "", frozenset({"Learner"}))
    host_list.keep(session, pk(world.course), lti.Roster([*listed, gone], ""), NOW - 30 * HOUR, is_whole=True)
    host_list.keep(session, pk(world.course), lti.Roster(listed, ""), NOW - HOUR, is_whole=True)
    host_list.keep_groups(session, pk(world.course), [lti.Group("g1", "第一组", "互评组")], NOW)
    world.course.groups_url = f"{ISSUER}/groups"
    li = session.exec(
        select(CourseMember).where(
            CourseMember.course_id == pk(world.course), CourseMember.person_id == pk(world.person(cast.LI))
        )
    ).one()
    li.is_learner, li.is_instructor, li.has_name = False, True, True
    bad = course_of(session, world.tenant, "course-bad", NOW)
    bad.title, bad.ags_scopes, bad.memberships_url = "成绩和名单都关着的课", [], f"{ISSUER}/refused"
    stranger = _member(bad, world.person(cast.TRAINER), learner=False)
    stranger.has_name = False
    session.add_all([world.course, li, bad, stranger])
    session.add(HostList(course_id=pk(bad), tried_at=NOW, error="ags.refused", words="HTTP 403 Forbidden"))
    platform = get(session, lti.Platform, get(session, lti.Deployment, bad.deployment_id).platform_id)
    platform.product, platform.name = "moodle", "县研修 Moodle"
    session.add(platform)
    session.flush()
    uuids["bad"] = bad.uuid


def _by_hand(pages: Pages, app: Flask) -> None:
    """What only comes through pages: files, typed text, sheets that wait for the second button."""
    world, uuids = pages.world, pages.uuids
    uuids["link"] = link_request(world, cast.TRAINER, takes_many=True, takes_column=True).uuid
    uuids["link.one"] = link_request(world, cast.TRAINER).uuid
    outside = link_request(world, cast.TRAINER)
    outside.course_id, uuids["link.outside"] = _outside(pages), outside.uuid
    world.session.add(outside)
    wang = world.sign_in(app.test_client(), cast.WANG)
    officer = world.sign_in(app.test_client(), cast.OFFICER)
    world.session.commit()
    _done(wang, f"/programmes/{pages.programme}/points", {"point": ["A3", "A5", "A6"]})
    world.session.expire_all()
    for code in ("A5", "A6"):
        uuids[code] = work_of(world, cast.WANG, code)
    world.session.commit()
    for name, key in (("lesson.docx", "design"), ("lesson.mp4", "clip"), ("locked.pdf", "reflection")):
        _send(wang, f"/submissions/{uuids['A5']}/{key}/files", name)
    _send(wang, f"/submissions/{uuids['A6']}/design/files", "both.docx", "王秀兰的教案.docx")
    _send(wang, f"/submissions/{uuids['A6']}/design/files", "reflection.pdf")
    _send(wang, f"/submissions/{uuids['A6']}/design/files", "photo.jpg")
    page = wang.get(f"/submissions/{uuids['A6']}/reflection/text").text
    fields = {part.partition('"')[0]: TEXT * 3 for part in page.split('name="') if part.startswith("part.")}
    _done(wang, f"/submissions/{uuids['A6']}/reflection/text", {"version": "0", **fields})
    world.session.expire_all()
    for file in world.session.exec(select(competencies.StoredFile)).all():
        uuids[f"file.{file.extension or 'refused'}"] = file.uuid
    world.session.commit()
    _plans(pages, officer, world.sign_in(app.test_client(), cast.LEAD))
    lead = world.sign_in(app.test_client(), cast.LEAD)
    world.session.commit()
    waits, names = f"/trainings/{uuids['training_open']}/import", [("工号", "姓名", "分钟"), ("XW001", "陈晓芳", 30)]
    uuids["training_list"] = _sheet(lead, waits, names)
    uuids["training_list.wrong"] = _sheet(lead, waits, [*names, ("XW002", "王秀英", 900)])
    rows = [*roster_rows(cast.TEACHERS), ("孟新来", "城关小学", "CG001", "小学", "语文")]
    rows.append(("李建军", "希望小学", "XW003", "小学", "数学"))
    uuids["sheet"] = _sheet(officer, "/roster", rows)
    old = [("工号", "姓名", "学校", "项目", "能力点", "结果", "学时", "日期", "来源")]
    old.append(
        (
            "XW002",
            "王秀兰",
            "希望小学",
            "能力提升 2.0",
            "A1 合格；A3 优秀",
            "合格",
            50,
            date(2022, 10, 31),
            "省考核平台",
        )
    )
    first = _sheet(officer, "/history", old)
    _done(officer, f"/history/checked/{first}")
    uuids["old"] = _sheet(officer, "/history", [*old, ("XW003", "李建国", "", "旧项目", "", "", "", "", "旧平台")])
    uuids["old.wrong"] = _sheet(
        officer, "/history", [*old, ("", "李建国", "", "旧项目", "", "", "x", "以前", "旧平台")]
    )
    uuids["sheet.wrong"] = _sheet(officer, "/roster", [HEAD, ("甲", "希望小学", "1", "小小学", "语文")])
    raw = packs_made.least()
    own = load_pack({**raw, "framework": {**raw["framework"], "id": "local-2"}})
    uuids["standard"] = _sheet(officer, "/curate/import", [exchange.heads(), *exchange.rows(own)])
    uuids["standard.2"] = _editions(officer)
    foreign = load_reference(references.reference_packs.load("digcompedu").as_dict() | {"note": "another one"})
    uuids["foreign"] = _sheet(officer, "/curate/import", [exchange.heads(foreign), *exchange.rows(foreign)])
    crosswalk.propose(world.session, world.actor(cast.OFFICER), world.framework.uuid, NOW)
    world.session.commit()
    uuids["jyt"] = references.newest(world.session, pk(world.tenant), ["jyt-0646-2022"])["jyt-0646-2022"].uuid
    uuids["next"] = _next_version(pages)
    uuids["spoken"] = _spoken(pages)
    _going_over(pages, uuids["next"])
    _examples(pages)
    uuids["standard.wrong"] = _sheet(officer, "/curate/import", [exchange.heads(), ("能力", "", "", "=A1")])
    hours = [("工号", "姓名", "学时", "来源", "日期"), ("XW001", "陈晓芳", 12, "省平台", date(2026, 10, 1))]
    first = _sheet(officer, f"/hours/{pages.programme}", hours)
    _done(officer, f"/hours/{pages.programme}/checked/{first}")
    uuids["credit"] = world.session.exec(
        select(competencies.CreditEntry.uuid).where(competencies.CreditEntry.reason == "import")
    ).one()
    brought = import_reversals.sheets_of(world.session, world.actor(cast.OFFICER), pages.programme)
    uuids["hours_sheet"] = str(brought[0].key)
    listed = "10月1日至7日放假调休，共7天。10月10日（周六）上班。"
    found = holidays.check(world.session, world.actor(cast.OFFICER), 2026, listed)
    holidays.set_year(world.session, world.actor(cast.OFFICER), 2026, listed, found.digest, NOW)
    world.session.commit()
    hours += [("XW002", "王秀兰", 25, "省平台", date(2026, 10, 1)), ("XW020", "钱玉梅", 5, "省平台", "")]
    uuids["hours"] = _sheet(officer, f"/hours/{pages.programme}", hours)
    said = {"what": "list", "list": "XW001 3\nXW002 0\nPA001 2"}
    sent = officer.post(f"/reviews/quotas/{pages.programme}", said)
    uuids["quotas"] = sent.location.rpartition("/")[2]


def _plans(pages: Pages, officer: Browser, lead: Browser) -> None:
    """The county asked for plans: one school has handed its plan in a second time, the other one has begun."""
    world = pages.world
    here = f"/progress/{pages.programme}"
    done, begun = (f"{here}/{world.schools[name].uuid}/plan" for name in ("希望小学", "平安小学"))
    county = world.county.uuid
    world.session.commit()
    papers = {"papers": "校本研修方案\n校本应用考核方案", "due_on": "2026-11-30"}
    _done(officer, f"{here}/{county}/plans", papers)
    _send(lead, f"{done}/papers", "lesson.docx", paper="校本研修方案")
    _send(lead, f"{done}/papers", "reflection.pdf", paper="校本应用考核方案")
    team = {
        "name.1": "冯校",
        "duty.1": "leader",
        "name.2": "王秀兰",
        "duty.2": "ict",
        "name.3": "李建国",
        "duty.3": "subject",
    }
    _done(lead, done, {**team, "environment": "blended", "version": ""})
    _done(lead, f"{done}/submit")
    _done(officer, f"{done}/return", {"reason": "研修方案里没有时间。"})
    _done(lead, f"{done}/submit")
    _send(officer, f"{begun}/papers", "lesson.docx", paper="校本研修方案")
    held = f"/trainings/{pages.uuids['training_closed']}/files"
    _send(lead, held, "photo.jpg", "会场前排.jpg", kind="photo")
    _send(lead, held, "reflection.pdf", "希望小学校本研修第一次签到表（扫描）.pdf", kind="sheet")
    _send(lead, held, "lesson.docx", "方案.docx", kind="plan")
    plan = world.session.exec(
        select(competencies.training_files.TrainingFile.uuid).where(
            competencies.training_files.TrainingFile.kind == competencies.training_files.TrainingFileKind.PLAN
        )
    ).one()
    world.session.commit()
    _done(lead, f"{held}/{plan}/remove")


def _done(browser: Browser, url: str, data: dict[str, object] | None = None) -> None:
    answer = browser.post(url, data)
    assert answer.status_code == 303, (url, answer.text)


def _send(browser: Browser, url: str, name: str, called: str = "", **more: str) -> None:
    file = (BytesIO((FILES / name).read_bytes()), called or name)
    answer = browser.post(url, {"file": file, **more}, content_type="multipart/form-data")
    assert answer.status_code == 303, (url, answer.text)


def _editions(officer: Browser) -> str:
    """Two editions of a standard of the district's own; gives the second one."""
    first, address = packs_made.least(), ""
    second = copy.deepcopy(first)
    second["points"].append(packs_made.point("A2", 2))
    second["points"][0]["evidence"][0]["criteria"][0]["levels"]["pass"]["zh"] = "写得清楚，有依据"
    for raw in (first, second):
        file = (BytesIO(json.dumps(raw).encode()), "标准.json")
        sent = officer.post("/curate/import", {"file": file}, content_type="multipart/form-data")
        address = officer.post(sent.headers["Location"]).headers["Location"]
    return str(address.rpartition("/")[2])


def _spoken(pages: Pages) -> str:
    """A draft that says something in Uyghur."""
    world, actor = pages.world, pages.world.actor(cast.OFFICER)
    draft = editing.begin_own(world.session, actor, "framework_2_0", "pingan-spoken", {"zh": "平安县标准（双语）"}, NOW)
    content = competencies.editing.add_language(draft.content, "ug", "پىڭئەن ناھىيىسى ئۆلچىمى")
    texts = {"point:name": "ئوقۇش ئەھۋالىنى تەھلىل قىلىش", "evidence:plan:title": "تەھلىل پىلانى"}
    competencies.editing.keep_draft(world.session, draft, competencies.editing.translate(content, "ug", "A1", texts))
    world.session.commit()
    return draft.uuid


def _next_version(pages: Pages) -> str:
    """The next version of the district's standard, published: one point less, one called otherwise, all decided."""
    world, actor = pages.world, pages.world.actor(cast.OFFICER)
    draft = editing.begin_own(
        world.session, actor, world.framework.uuid, "pingan-next", {"zh": "平安县标准（新）"}, NOW
    )
    content = competencies.editing.drop_point(draft.content, "A9")
    item = competencies.editing.item_of(competencies.editing.point_of(content, "A1"), "plan")
    first, second, *rest = item["criteria"]
    levels = {"pass": {"zh": "写明用在哪一课"}, "excellent": {"zh": "写明每一步用在哪里"}}
    fresh = {"key": "fresh", "levels": levels, "proposed": True}
    reworded = {**second, "levels": levels}
    content = competencies.editing.put_item(content, "A1", {**item, "criteria": [reworded, *rest, fresh]})
    assert first["key"] not in {one["key"] for one in rest}
    words = competencies.editing.own_words(competencies.editing.point_of(content, "A7"))
    content = competencies.editing.put_point(content, "A7", {**words, "code": "A7x"})
    competencies.editing.keep_draft(world.session, draft, content)
    curate.publish(world.session, draft, actor.person_id, NOW, under_banner=True)
    decided = {"A7": "A7x", "A9": ""}
    succession.decide(world.session, actor, draft.uuid, world.framework.uuid, decided, 1, NOW)
    world.session.commit()
    return draft.uuid


def _going_over(pages: Pages, next_uuid: str) -> None:
    """Two rounds that use the next version, with a work of the old one each; one of them is judged by the new one."""
    world, session = pages.world, pages.world.session
    actor = world.actor(cast.OFFICER)
    for key, title in (("over", "2025年考核（换版）"), ("remarked", "2025年考核（重评）")):
        programme = programme_of(session, world.tenant, world.county, world.framework, title, NOW)
        programme.state = competencies.ProgrammeState.OPEN
        session.add(programme)
        competencies.set_rules(session, programme, competencies.Rules(), None, NOW)
        enter.enrol(session, pk(programme), pk(world.person(cast.CHEN)), NOW)
        there = dataclasses.replace(world, programme=programme)
        work = hand_in(there, cast.CHEN, "A1", NOW - 2 * HOUR, TEXT)
        slot = rubrics.Slot(pk(work), work.current_version_id or 0, pk(world.person(cast.WANG)))
        rubrics.allot(session, pk(world.tenant), pk(programme), [slot], None, NOW + 200 * HOUR, NOW)
        one = reviews_of(there, work)[0]
        finish_review(there, one, NOW)
        moving.move(session, actor, programme.uuid, next_uuid, programme.version, NOW)
        pages.uuids[key] = programme.uuid
        if key == "remarked":
            session.refresh(programme)
            remarking.remark(session, actor, programme.uuid, (), programme.version, NOW)
            pages.uuids["comes_back"], pages.uuids["case_before"] = one.uuid, work.uuid
    session.commit()


def _examples(pages: Pages) -> None:
    """A round whose reviewers practise first: one has handed an example in, one has it before them."""
    world, session = pages.world, pages.world.session
    programme = programme_of(session, world.tenant, world.county, world.framework, "2025年考核（练习）", NOW)
    programme.state = competencies.ProgrammeState.OPEN
    session.add(programme)
    rules = {"review": {"pool": "district", "calibration": "before", "calibration_items": 1}}
    competencies.set_rules(session, programme, competencies.Rules.model_validate(rules), None, NOW)
    there = dataclasses.replace(world, programme=programme)
    work, officer = hand_in(there, cast.ZHOU, "B3", NOW - 2 * HOUR, TEXT), world.actor(cast.OFFICER)
    marks = all_marks(there, work, 1)
    cases.decide(session, world.actor(cast.TRAINER), work.uuid, judgement(marks), 0, 1, NOW)
    agreed = {key: rubrics.DraftMark(mark.level, "第二页写明了。") for key, mark in marks.items()}
    pages.uuids["to_agree"] = work.uuid
    item = calibration_desk.make(session, officer, programme.uuid, work.uuid, agreed, "作者同意", NOW)
    slots = [
        rubrics.Slot(item.submission_id, item.submission_version_id, pk(world.person(who)))
        for who in (cast.WANG, cast.LI)
    ]
    rubrics.allot(session, pk(world.tenant), pk(programme), slots, None, NOW + 200 * HOUR, NOW)
    rubrics.note_gold(session, [rubrics.GoldSlot(slot, pk(item)) for slot in slots])
    first = reviews_of(there, work)[0]
    finish_review(there, first, NOW, level=2)
    pages.uuids["practice"], pages.uuids["example"] = programme.uuid, first.uuid
    session.commit()


def _sheet(browser: Browser, url: str, rows: list[tuple[object, ...]]) -> str:
    """Sends a sheet; gives the token under which it waits."""
    answer = browser.post(url, {"file": (BytesIO(workbook(rows)), "名单.xlsx")}, content_type="multipart/form-data")
    assert answer.status_code == 303, (url, answer.text)
    return str(answer.headers["Location"].rpartition("/")[2])


def _sign_in(pages: Pages) -> None:
    """A session for everybody in both languages, and the reviews that pages are asked for."""
    world, uuids = pages.world, pages.uuids
    unbound = world.session.exec(select(Course).where(Course.uuid == uuids["course"])).one()
    for key, person in world.persons.items():
        course = unbound if key in {"other_trainer", "new"} else world.course
        for locale in ("zh-Hans", "en"):
            opened = sessions.open_session(
                world.session, person, course, 8 * HOUR, NOW, locale=locale, return_url=f"{ISSUER}/course/view.php?id=7"
            )
            pages.cookies[key, locale] = opened.token
    who = {pk(person): key for key, person in world.persons.items()}
    for one in world.session.exec(select(rubrics.Review).order_by(col(rubrics.Review.id))).all():
        name = f"review.{one.state.value}"
        if name not in uuids:
            uuids[name], uuids[f"{name}.by"] = one.uuid, who[one.reviewer_id]
