"""Tenants are walls: every route that exists is visited by a stranger and by the mightiest member of another district.

The visits are made from the application's own list of routes. A new route needs no entry here where it carries the id
of a thing (it must answer 404 to the neighbour); a new kind of id, or a new page without one, must be named below.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlmodel import col, select
from werkzeug.routing import Rule

import competencies
import lti
import rubrics
from lms_plugin.db import owned, pk
from lms_plugin.flow import (
    archives,
    arrivals,
    asks,
    attendance,
    audit,
    batches,
    cases,
    certificate_bundles,
    crosswalk,
    extensions,
    invitations,
    own_phrases,
    plans,
    publicity,
    review,
    sessions,
    trainings,
    transfers,
    upper_checks,
    workloads,
)
from lms_plugin.inbox import Message
from lms_plugin.people import OrgUnit, RoleKind, RosterEntry, Tenant
from lms_plugin.web.edge import CROSS_SITE_ENDPOINTS, GETS_THAT_COMMIT, OPEN_CHANGES, OPEN_ENDPOINTS
from tests import people as cast
from tests.certified import certificate_for
from tests.factories import Browser, World, course_of, link_request
from tests.flow.earned import earn
from tests.flow.handed_in import all_marks, hand_in, judgement
from tests.flow.test_trainings import plan_of as training_plan
from tests.web.launching import row_counts, written
from tests.web.test_curate import form as programme_form

HOUR = timedelta(hours=1)

# Pages without an id in their address: they show what is one's own, or one's own district's.
OWN_PAGES = {
    "person_data.mine",
    "person_data.my_file",
    "people.notice_done",
    "people.home",
    "people.introduce",
    "people.list_people",
    "workloads.mine",
    "cycle_certificates.today",
    "people.merge",
    "people.ask_merge",
    "people.invitations",
    "people.enter_code",
    "proofs.page",
    "people.choose_locale",
    "people.choose_text_size",
    "people.choose_theme",
    "people.choose_reading",
    "lti.ticket",
    "submit.mine",
    "passport.mine",
    "passport.whole",
    "review.mine",
    "reliability.own",
    "calibration.training",
    "review.apart",
    "cases.queue",
    "cases.phrases",
    "flags.home",
    "deliveries.home",
    "curate.home",
    "curate.new",
    "exchange.home",
    "references.home",
    "editing.begin",
    "oversee.home",
    "roster.home",
    "trainings.home",
    "trainings.terms",
    "trainings.new",
    "trainings.mine",
    "trainings.renew",
    "schools.home",
    "history.home",
    "history.mine",
    "history.template",
    "seals.home",
    "platforms.home",
    "courses.home",
    "launches.home",
    "doctor.home",
    "doctor.examine",
    "doctor.cookie",
    "roster.template",
    "uploads.create",
    "release.home",
    "audit.home",
    "audit.draw",
    "cycle.page",
    "holidays.page",
    "layouts.home",
    "layouts.file",
    "archives.home",
    "archives.ask",
    "archives.forward",
    "chain.home",
    "chain.programmes",
    "chain.publicities",
    "asks.inbox",
    "calendar_file.due",
    "appeals.inbox",
    "inbox.home",
    "inbox.read_all",
    "inbox.mail",
    "inbox.confirm",
    "inbox.remove",
    "transfers.mine",
    "transfers.ask",
    "transfers.code",
    "transfers.receive",
    "transfers.home",
    "asks.read",
}
# Ids that are no row of a district: what stands there, and what the neighbour may get.
NO_ROW = {
    "lti.download": "a ticket is its own permission",
    "inbox.off": "the signed link is its own permission",
    "people.taken": "names a role, shown to who holds it",
    "people.invitation": "the code is its own permission; accepting it across the wall is refused",
    "layouts.edit": "names one of our sheets",
    "layouts.clear": "names one of our sheets",
    "curate.load_pack": "names a pack that ships with the product",
    "references.take_in": "names a reference framework that ships with the product",
    "trainings.checked": "a file that waits in the signed-in person's own tray",
    "roster.checked": "a file that waits in the signed-in person's own tray",
    "exchange.checked": "a file that waits in the signed-in person's own tray",
    "quotas.checked": "a list that waits in the signed-in person's own tray",
    "roster.hours_checked": "a file that waits in the signed-in person's own tray",
    "platforms.new": "names a product whose registration form is shown",
    "cycle_certificates.home": "names a cycle of years, whose page shows the units of the reader's own district",
    "static": "files of the product",
    "kit.page": "every component with invented examples, no row of any district",
    "look.page": "a signed address is its own permission; without one it is a page like any other to a stranger",
}
STRANGERS_SEE = {
    "health.live",
    "health.ready",
    "help.page",
    "kit.page",
    "lti.jwks",
    "static",
    "people.invitation",
    "sign_in.page",
    "verify.page",
    "transfers.keys",
    "intakes.page",
}


@dataclass
class Things:
    """One row of 平安县 for each kind of id that addresses carry."""

    world: World
    ids: dict[str, str]

    def address(self, rule: Rule) -> str:
        """The rule with 平安县's own ids. A kind of id that is not known here fails the test."""
        part = rule.endpoint.partition(".")[0]
        values: dict[str, Any] = {}
        for name in rule.arguments:
            if (rule.endpoint, name) == ("cases.delete_phrase", "uuid"):
                values[name] = self.ids["phrase"]
            elif (rule.endpoint, name) == ("calibration.end", "uuid"):
                values[name] = self.ids["example"]
            elif name == "uuid":
                values[name] = self.ids["submission" if part == "cases" else "review"]
                assert part in {"cases", "review", "claims", "calibration"}, rule.endpoint
            elif name in {"number", "position"}:
                values[name] = 1
            elif name == "listing":
                values[name] = "people"
            elif (rule.endpoint, name) == ("people.taken", "kind"):
                values[name] = RoleKind.SCHOOL_LEAD.value
            else:
                assert name in self.ids, f"{rule.endpoint}: which row of 平安县 is <{name}>?"
                values[name] = self.ids[name]
        built = rule.build(values)
        assert built is not None
        return built[1]

    @property
    def secrets(self) -> list[str]:
        """What nobody outside the district may read."""
        world = self.world
        names = [person.name for key, person in world.persons.items() if key != cast.NEIGHBOUR.key]
        ids = [
            self.ids[kind]
            for kind in self.ids
            if kind not in {"token", "stamp", "off", "key", "name", "product", "years", "tag"}
        ]
        return [*names, *world.schools, world.programme.title, "平安县", *ids]

    def told_by(self, answer: Any, address: str = "") -> list[str]:
        """What of it stands in an answer, beyond what the address itself said."""
        return [secret for secret in self.secrets if secret.encode() in answer.data and secret not in address]


def flag_of(world: World, work: competencies.Submission) -> str:
    """A flag on that work; its uuid."""
    row = rubrics.ReviewFlag(
        tenant_id=pk(world.tenant),
        submission_id=pk(work),
        submission_version_id=work.current_version_id or 0,
        by_id=pk(world.person(cast.CHEN)),
        kind=rubrics.FlagKind.RUDE,
        words="评语不合适",
        raised_at=world.now,
    )
    world.session.add(row)
    world.session.flush()
    return row.uuid


@pytest.fixture
def things(world: World) -> Things:
    session, now = world.session, world.now
    works = {who.key: hand_in(world, who, "A3", now - 2 * HOUR) for who in cast.TEACHERS}
    review.allocate(session, world.actor(cast.OFFICER), world.programme, 2, now)
    rubrics_row = first_review(world)
    file = competencies.StoredFile(
        tenant_id=pk(world.tenant),
        person_id=pk(world.person(cast.CHEN)),
        filename="教案.pdf",
        storage_key="k" * 32,
        size_bytes=10,
        started_at=now,
    )
    entry = RosterEntry(
        tenant_id=pk(world.tenant),
        name="名单上的人",
        staff_number="R1",
        org_unit_id=pk(world.schools["希望小学"]),
        imported_at=now,
    )
    phrase = own_phrases.add_phrase(session, world.actor(cast.TRAINER), "写得具体", now)
    session.add_all([file, entry])
    invitation = invitations.invite(session, world.actor(cast.OFFICER), RoleKind.AUDITOR, world.county, now)[1]
    session.flush()
    held = trainings.plan(session, world.actor(cast.LEAD), training_plan(world, title="平安县的培训"), now)
    attendance.sign(session, held, pk(entry), None, "list", None, now)
    there = session.exec(select(competencies.Attendance)).one()
    material = competencies.training_files.TrainingFile(
        tenant_id=pk(world.tenant),
        training_id=pk(held),
        kind=competencies.training_files.TrainingFileKind.PHOTO,
        stored_file_id=pk(file),
        added_by_id=pk(world.person(cast.LEAD)),
        added_at=now,
    )
    session.add(material)
    requirement = session.exec(
        select(competencies.EvidenceRequirement.key).where(
            competencies.EvidenceRequirement.point_id == pk(world.point("A3"))
        )
    ).first()
    earn(world, cast.ZHOU, "A5")
    workloads.issue(session, world.actor(cast.OFFICER), world.programme.uuid, "平教〔1〕", now)
    statement = session.exec(
        select(competencies.workloads.WorkStatement).order_by(col(competencies.workloads.WorkStatement.id))
    ).all()[0]
    award = session.exec(select(competencies.Award)).one()
    credit = competencies.credit(
        session,
        pk(world.tenant),
        pk(world.programme),
        pk(world.person(cast.CHEN)),
        competencies.CreditKind.ONLINE,
        1200,
        competencies.Basis(world.programme.policy_id or 0),
        now,
        reason="import",
    )
    competencies.seal(session, pk(world.tenant), now)
    drawn = audit.draw(session, world.actor(cast.AUDITOR), audit.Wish("", "", None, None, 9, "", "k"), now)
    certificate = certificate_for(world, cast.CHEN)
    bundle = certificate_bundles.ask(session, world.actor(cast.OFFICER), world.programme.uuid, world.county.uuid, now)
    until = world.programme.submit_by_on + timedelta(days=1)
    longer = extensions.ExtensionForm(world.schools["希望小学"].uuid, "", until, "停课")
    extension = extensions.grant(session, world.actor(cast.OFFICER), world.programme.uuid, longer, now)
    platform = session.exec(select(lti.Platform).order_by(col(lti.Platform.id))).all()[0]
    batch = old_record(world)
    paper = plan_with_paper(world, file)
    edition, mapping = mapped(world)
    reference = lti.log_registration(session, platform.issuer, now, tenant_id=pk(world.tenant), platform=platform)
    ids = {
        "programme": world.programme.uuid,
        "submission": works["chen"].uuid,
        "review": rubrics_row,
        "flag": flag_of(world, works["chen"]),
        "person": world.person(cast.CHEN).uuid,
        "unit": world.schools["希望小学"].uuid,
        "course": world.course.uuid,
        "link": link_request(world, cast.TRAINER).uuid,
        "platform": platform.uuid,
        "product": "moodle",
        "reference": reference,
        "file": file.uuid,
        "ref": file.uuid,
        "paper": paper,
        "batch": batch,
        "version": world.framework.uuid,
        "edition": edition,
        "mapping": mapping,
        "entry": entry.uuid,
        "extension": extension.uuid,
        "credit": credit.uuid,
        "sheet": str(int(credit.entered_at.timestamp()) * 1_000_000),
        "award": award.uuid,
        "certificate": certificate.uuid,
        "bundle": bundle.uuid,
        "lot": world.programme.uuid,
        "years": "2026-2030",
        "archive": archives.ask(session, world.actor(cast.OFFICER), now).uuid,
        "statement": statement.uuid,
        "phrase": phrase.uuid,
        "training": held.uuid,
        "material": material.uuid,
        "attendance_id": there.uuid,
        "code": invitation,
        "token": "0" * 32,
        "stamp": "0" * 12,
        "draw": drawn.uuid,
        "ask": asks.ask(session, world.actor(cast.CHEN), world.programme.uuid, "", "少记了一条", now).uuid,
    }
    ids |= appeal_and_member(world) | example(world)
    ids |= transfer_and_arrival(world)
    ids |= batch_and_objection(world, works["wang"], [work for key, work in works.items() if key != "wang"])
    session.commit()
    return Things(world, {**ids, "key": str(requirement), "name": "framework_2_0", "tag": "ug"})


def example(world: World) -> dict[str, str]:
    """A decided work with agreed marks."""
    decision = world.session.exec(select(competencies.Decision)).one()
    item = rubrics.GoldItem(
        tenant_id=pk(world.tenant),
        programme_id=pk(world.programme),
        submission_id=decision.submission_id,
        submission_version_id=decision.submission_version_id,
        agreed={},
        consent="作者同意",
        made_by_id=decision.decided_by_id,
        made_at=world.now,
    )
    world.session.add(item)
    world.session.flush()
    return {"example": item.uuid}


def appeal_and_member(world: World) -> dict[str, str]:
    """A released result is looked at anew, by one person."""
    session, decision = world.session, world.session.exec(select(competencies.Decision)).one()
    decided = {"submission_id": decision.submission_id, "submission_version_id": decision.submission_version_id}
    appeal = rubrics.Appeal(
        tenant_id=pk(world.tenant),
        programme_id=pk(world.programme),
        decision_id=pk(decision),
        person_id=pk(world.person(cast.ZHOU)),
        panel=rubrics.TWO,
        may_fall=False,
        before=competencies.revisions.as_it_stands(decision),
        raised_at=world.now,
        due_at=world.now + timedelta(days=9),
        **decided,
    )
    session.add(appeal)
    session.flush()
    member = rubrics.AppealReview(
        tenant_id=pk(world.tenant),
        appeal_id=pk(appeal),
        reviewer_id=pk(world.person(cast.CHEN)),
        asked_at=world.now,
        due_at=world.now + timedelta(days=5),
    )
    session.add(member)
    session.flush()
    told = session.exec(select(Message).where(Message.person_id == pk(world.person(cast.CHEN)))).all()[0]
    return {"appeal": appeal.uuid, "member": member.uuid, "message": told.uuid, "off": f"{'0' * 32}.{'0' * 40}"}


def mapped(world: World) -> tuple[str, str]:
    """A reference framework and a link of a point to one of its items."""
    crosswalk.propose(world.session, world.actor(cast.OFFICER), world.framework.uuid, world.now)
    tenant = pk(world.tenant)
    edition = world.session.exec(owned(competencies.ReferenceVersion, tenant)).first()
    mapping = world.session.exec(owned(competencies.CrosswalkLink, tenant)).first()
    assert edition is not None
    assert mapping is not None
    return edition.uuid, mapping.uuid


def old_record(world: World) -> str:
    """A line of an old platform's list; gives the file it came with."""
    line = competencies.history.OldRecord(
        tenant_id=pk(world.tenant),
        org_unit_id=pk(world.schools["希望小学"]),
        staff_number="XW001",
        name="陈晓芳",
        school="希望小学",
        title="旧项目",
        points="",
        result="合格",
        source="旧平台",
        content_hash="0" * 64,
        batch="b" * 32,
        filename="旧.xlsx",
        imported_by_id=pk(world.person(cast.OFFICER)),
        imported_at=world.now,
    )
    world.session.add(line)
    world.session.flush()
    return line.batch


def transfer_and_arrival(world: World) -> dict[str, str]:
    """A teacher asks to leave, and something has come for another one."""
    session, now = world.session, world.now
    leaving = transfers.ask(session, world.actor(cast.CHEN), "0123456789AB", "安宁县", now)
    arrival = arrivals.open_code(session, world.actor(cast.WANG), now)
    arrival.package, arrival.state = "d" * 32, competencies.transfers.ArrivalState.WAITING
    kept = competencies.transfers.TransferPackage(tenant_id=pk(world.tenant), arrival_id=pk(arrival), content=b"")
    session.add_all([arrival, kept])
    session.flush()
    return {"transfer": leaving.uuid, "arrival": arrival.uuid}


def plan_with_paper(world: World, file: competencies.StoredFile) -> str:
    """The county asks, and a school has begun its plan with that file; gives the paper's uuid."""
    session, unit = world.session, world.schools["希望小学"].uuid
    plans.ask(session, world.actor(cast.OFFICER), world.programme.uuid, world.county.uuid, ("规划",), None, world.now)
    found = plans.to_fill_in(session, world.actor(cast.LEAD), world.programme.uuid, unit, world.now)
    paper = competencies.plans.PlanPaper(
        tenant_id=pk(world.tenant),
        plan_id=pk(found.plan),
        paper="规划",
        stored_file_id=pk(file),
        added_by_id=pk(world.person(cast.LEAD)),
        added_at=world.now,
    )
    session.add(paper)
    session.flush()
    return paper.uuid


def batch_and_objection(
    world: World, decided: competencies.Submission, left: list[competencies.Submission]
) -> dict[str, str]:
    """A school's batch in 公示 and an objection to its one work."""
    world.set_rules(chain={"publicity": True})
    marks = judgement(all_marks(world, decided))
    cases.decide(world.session, world.actor(cast.TRAINER), decided.uuid, marks, 0, 1, world.now)
    unit, reasons = world.schools["希望小学"].uuid, {work.uuid: "产假" for work in left}
    batch = batches.close(world.session, world.actor(cast.LEAD), world.programme, unit, reasons, "0" * 32, world.now)
    said = publicity.object_to(
        world.session, world.actor(cast.WANG), batch.uuid, decided.uuid, "请再看一次", "", world.now
    )
    world.set_rules(chain={"publicity": True, "city_percent": 50})
    officer, unit = world.actor(cast.OFFICER), world.county.uuid
    drawn = upper_checks.draw(world.session, officer, world.programme.uuid, "city", unit, "0" * 32, world.now)
    return {"batch": batch.uuid, "objection": said.uuid, "check": drawn.uuid}


def first_review(world: World) -> str:
    found = world.session.exec(select(rubrics.Review.uuid).where(rubrics.Review.tenant_id == pk(world.tenant))).first()
    assert found is not None
    return str(found)


@pytest.fixture
def neighbour(tool: Flask, world: World) -> Browser:
    """Signed in in the other district, with every role that exists."""
    client = tool.test_client()
    entrance = sessions.open_session(
        world.session, world.person(cast.NEIGHBOUR), None, timedelta(hours=8), world.now, locale="zh-Hans"
    )
    client.set_cookie("__Host-nengli", entrance.token, domain="localhost", secure=True)
    world.session.commit()
    return Browser(client, entrance.session_row.csrf)


def routes(tool: Flask) -> Iterator[tuple[Rule, str]]:
    """Every rule with every method that it answers."""
    for rule in tool.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            if method != "HEAD" or "GET" not in (rule.methods or set()):
                yield rule, method


def test_every_route_is_known(tool: Flask) -> None:
    """A page without an id is named above; what is named above exists (or is still to come, under its own name)."""
    without = {rule.endpoint for rule, _method in routes(tool) if not rule.arguments}
    unknown = without - OWN_PAGES - OPEN_ENDPOINTS - OPEN_CHANGES
    assert not unknown, f"say in OWN_PAGES that these show only what is one's own: {sorted(unknown)}"


def test_a_stranger_meets_one_same_page(tool: Flask, things: Things) -> None:
    client, seen = tool.test_client(), set()
    visits = [(rule.endpoint, things.address(rule), method) for rule, method in routes(tool)]
    visits += [("nowhere", path, "GET") for path in ("/nowhere", "/submissions", "/curate/programmes/x", "/me/locale")]
    for endpoint, address, method in visits:
        if method == "GET" and endpoint in STRANGERS_SEE:
            continue
        if endpoint in OPEN_CHANGES | {"lti.download", "lti.not_posted", "register.page"}:
            continue  # the door itself: tests/web/test_launch.py
        answer = client.open(address, method=method)
        answer.close()
        assert answer.status_code == 401, (method, address, answer.status_code)
        if method != "HEAD":
            seen.add(
                re.sub(r'[0-9A-F]{8}| data-posted="[0-9-]*"', "", answer.text)
            )  # the reference; how the visitor came
            assert not things.told_by(answer), (method, address)
    assert len(seen) == 1  # nothing tells which addresses exist


def test_strangers_pages_tell_nothing(tool: Flask, things: Things) -> None:
    client = tool.test_client()
    for rule, method in routes(tool):
        if rule.endpoint in STRANGERS_SEE and method == "GET" and rule.endpoint not in {"static", "kit.page"}:
            address = things.address(rule)
            told = things.told_by(client.get(address), address)
            assert not told, (rule.endpoint, told)


def test_the_neighbour_finds_nothing(tool: Flask, things: Things, neighbour: Browser) -> None:
    """404 wherever an address names a thing of 平安县; own pages without a word of it; and nothing is written."""
    before, wrong = row_counts(things.world.session), []
    for rule, method in routes(tool):
        endpoint = rule.endpoint
        if endpoint in OPEN_CHANGES | CROSS_SITE_ENDPOINTS | NO_ROW.keys() | {
            "lti.not_posted",
            "register.page",
        } or endpoint.startswith("health."):
            continue
        address = things.address(rule)
        data = {"csrf_token": neighbour.csrf} if method == "POST" else None
        headers = {"X-Nengli-Csrf": neighbour.csrf, "Tus-Resumable": "1.0.0", "Upload-Offset": "0"}
        kind = "application/offset+octet-stream" if method == "PATCH" else None
        answer = neighbour.client.open(address, method=method, data=data, headers=headers, content_type=kind)
        told = things.told_by(answer, address)
        answer.close()
        fits = answer.status_code == 404 if rule.arguments else answer.status_code < 500
        if told or not fits:
            wrong.append((method, address, endpoint, answer.status_code, told))
    assert not wrong, "\n".join(map(str, wrong))
    # a sign-in code of their own, wrong ones of their own (at a training, of who they are), a code for a record
    own = {"personal_code": 1, "sign_in_try": 2, "arrival": 1, "transfer_event": 1}
    own |= {"tenant_archive": 1, "job": 1}  # everything of their own district
    assert written(before, row_counts(things.world.session)) == own


def test_ids_that_are_no_row_do_not_open_the_wall(things: Things, neighbour: Browser) -> None:
    before = row_counts(things.world.session)
    code = things.ids["code"]
    assert neighbour.get(f"/invitation/{code}").status_code == 422
    assert neighbour.post(f"/invitation/{code}").status_code == 422
    assert neighbour.post("/me/invitation", {"code": code}).status_code == 422
    waiting = [f"{path}/{'0' * 32}" for path in ("/roster/checked", "/curate/import")]
    mine = [f"/{page}/{things.ids['programme']}/checked/{'0' * 32}" for page in ("hours", "reviews/quotas")]
    for path in (*waiting, *mine):
        for answer in (neighbour.get(path), neighbour.post(path)):
            assert 400 <= answer.status_code < 500, path
            assert not things.told_by(answer, path)
    assert written(before, row_counts(things.world.session)) == {}


def test_the_neighbour_cannot_name_our_things_in_forms(things: Things, neighbour: Browser) -> None:
    """Ids that travel in a form's fields end at the same wall."""
    world, before = things.world, row_counts(things.world.session)
    own_unit = world.session.exec(select(OrgUnit).where(OrgUnit.name == "邻县")).one()
    forms: list[tuple[str, dict[str, str]]] = [
        ("/invitations", {"kind": "officer", "unit": world.county.uuid}),
        *(
            ("/people/merge", {"first": one.uuid, "second": two.uuid, "keep": two.uuid, "reason": "x"})
            for one, two in (
                (world.person(cast.CHEN), world.person(cast.WANG)),
                (world.person(cast.NEIGHBOUR), world.person(cast.WANG)),
            )
        ),
        ("/people/merge", {"undo": world.person(cast.CHEN).uuid}),
        *(
            ("/audit/draws", {"wanted": "9", "key": "k", **part})
            for part in ({"unit": world.county.uuid}, {"programme": world.programme.uuid}, {})
        ),
        (
            "/people/introduce",
            {
                "name": "沈邻",
                "school": world.schools["希望小学"].uuid,
                "stage": "primary",
                "subject": "语文",
                "staff_number": "1",
            },
        ),
    ]
    for path, data in forms:
        assert neighbour.post(path, data).status_code in {404, 422}, path
    assert written(before, row_counts(world.session)) == {}
    assert own_unit.tenant_id != world.tenant.id


def test_the_neighbour_cannot_name_our_things_in_questions(things: Things, neighbour: Browser) -> None:
    """Ids after the question mark of an own page find nothing of the other district."""
    ids = things.ids
    asked = [
        ("/cases", {"programme": ids["programme"]}),
        ("/launches", {"platform": ids["platform"]}),
        ("/launches", {"course": ids["course"]}),
        ("/launches", {"reference": ids["reference"]}),
        ("/people", {"q": "陈"}),
        ("/roster", {"q": "名单上的人"}),
        ("/schools", {"q": "希望"}),
        ("/people/merge", {"first": ids["person"], "second": things.world.person(cast.WANG).uuid}),
    ]
    for path, question in asked:
        answer = neighbour.get(f"{path}?{urlencode(question)}", follow_redirects=True)
        assert answer.status_code in {200, 404, 422}, (path, question, answer.status_code)
        told = [secret for secret in things.told_by(answer) if secret not in question.values()]
        assert not told, (path, question, told)


def test_own_things_do_not_take_in_the_neighbours(things: Things, neighbour: Browser) -> None:
    """A form of the own district whose fields name the other one's programme, standard, unit or file is refused."""
    world, session, ids = things.world, things.world.session, things.ids
    own = world.person(cast.NEIGHBOUR)
    there = session.get_one(Tenant, own.tenant_id)
    school = session.exec(select(OrgUnit).where(OrgUnit.name == "邻县小学")).one()
    course = course_of(session, there, "course-there", world.now)
    entry = RosterEntry(
        tenant_id=pk(there), name="邻人", staff_number="R2", org_unit_id=pk(school), imported_at=world.now
    )
    session.add(entry)
    session.commit()
    before = row_counts(session)
    forms = [
        (f"/courses/{course.uuid}/programme", {"programme": ids["programme"]}),
        (f"/people/{own.uuid}/roles", {"kind": "trainer", "unit": world.county.uuid}),
        (f"/people/{own.uuid}/roles", {"kind": "trainer", "unit": ids["unit"]}),
        (f"/roster/entry/{entry.uuid}/exemption", {"programme": ids["programme"], "reason": "产假"}),
        ("/curate/programmes/new", programme_form(world)),
        ("/curate/programmes/new", programme_form(world, unit=school.uuid)),
    ]
    for path, data in forms:
        answer = neighbour.post(path, data)
        assert answer.status_code in {404, 422}, (path, answer.status_code)
        assert not [one for one in things.told_by(answer) if one not in data.values()], path
    slot = b64encode(f"{ids['submission']}-{ids['key']}".encode()).decode()
    upload = {"Upload-Metadata": f"slot {slot}", "Upload-Length": "5", "X-Nengli-Csrf": neighbour.csrf}
    assert neighbour.client.post("/uploads", headers={**upload, "Tus-Resumable": "1.0.0"}).status_code == 404
    assert written(before, row_counts(session)) == {}
    session.refresh(course)
    assert course.programme_id is None


@pytest.mark.parametrize("uuid", ["%00", "x", "0" * 32, "0" * 31 + "%00", "%E2%80%AE" * 8, "A" * 4000])
def test_odd_ids_are_not_found(world: World, browse: Callable[[cast.Cast | None], Browser], uuid: str) -> None:
    browser = browse(cast.OFFICER)
    for path in ("/courses/{}/programme", "/programmes/{}", "/submissions/{}", "/record/{}", "/evidence/{}"):
        assert browser.get(path.format(uuid)).status_code == 404, path


def test_gets_that_write_are_few_and_known(tool: Flask) -> None:
    """GET requests roll back, but for the login, one-time tickets, and the note of who saw which evidence."""
    readers = {rule.endpoint for rule, method in routes(tool) if method == "GET"}
    assert GETS_THAT_COMMIT - {"lti.login", "lti.download"} <= {
        "review.page",
        "appeals.review",
        "cases.page",
        "evidence.file",
        "evidence.preview",
        "evidence.page",
        "evidence.picture",
        "archives.file",
        "audit.entry",
    }
    assert readers >= GETS_THAT_COMMIT
