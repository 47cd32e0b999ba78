"""Our block against the published consumer, live, of two generations: one registration, points, hours, the picker."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import md5, sha256
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
import stock
from sqlmodel import Session, select

import lti
from lms_plugin.access import Actor
from lms_plugin.db import get, pk, transaction
from lms_plugin.flow import doors, merges, people, sessions
from lms_plugin.people import Course, Person, Role, RoleKind, WebSession
from tests import people as cast
from tests.factories import actor_of
from tests.lti.conformance.bench import Jar
from tests.lti.consumer import form_in
from tests.lti.test_stock_consumer import send, states
from tests.web.launching import LEARNER, Host, claims_of, key_server
from tests.xblock.site import Learner, Site, site_of

pytestmark = pytest.mark.stock
GENERATIONS = stock.GENERATIONS
SCORE = "application/vnd.ims.lis.v1.score+json"


@pytest.fixture(scope="module", params=GENERATIONS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site of that generation; its blocks `first` and `second` open the world's programme."""
    if stock.python_of(request.param) is None:
        pytest.skip(f"lti-consumer-xblock {request.param} is not installed: python tools/stock.py")
    with site_of(request.param, tmp_path_factory.mktemp("site")) as made:
        made.opens("first")
        made.opens("second", weight=5.0)
        yield made


def test_one_registration_serves_every_block(site: Site) -> None:
    """Two blocks, one client id, one course here; what the author's page prints is what the tool derives. The stock
    consumer's blocks beside them are other registrations."""
    for block in ("first", "second"):
        visitor = Learner(site, "lin")
        assert visitor.see(visitor.launch(block)).status_code == 200
    assert len({site.register(block) for block in ("first", "second")}) == 1
    assert site.register("whole") != site.register("first")
    page = Learner(site, "admin").host.ask("GET", f"{site.root}/author/first")
    with site.tool.sessions() as session:
        courses = session.exec(
            select(Course).join(lti.Deployment).where(lti.Deployment.platform_id == site.register("first"))
        ).all()
        platform = session.get(lti.Platform, site.register("first"))
    assert platform is not None
    assert platform.product == "openedx"
    assert [course.title for course in courses] == ["信息技术应用能力提升"]
    for printed in (platform.client_id, platform.jwks_url, platform.token_url, platform.auth_url):
        assert printed in page.text
    assert "BEGIN" not in page.text


def test_the_link_opens_what_the_author_chose(site: Site) -> None:
    """And sends no name: the tool asks for it itself."""
    site.opens("third", view="point", point="B2")
    site.register("third")
    visitor = Learner(site, "lin")
    visitor.launch("first")
    site.runs()
    answer = visitor.launch("third")
    visitor.see(answer)
    assert visitor.address.endswith("/points?pick=B2")
    member = site.member("first", "lin")
    assert (member.is_learner, member.is_instructor, member.has_name) == (True, False, False)


@pytest.mark.parametrize("account", ["team", "admin"])
def test_a_course_admin_is_at_most_a_provisional_trainer(site: Site, account: str) -> None:
    """Whatever Open edX calls somebody, a launch makes nobody an officer."""
    visitor = Learner(site, account)
    assert visitor.launch("first").status_code == 303
    member = site.member("first", account)
    with site.tool.sessions() as session:
        roles = session.exec(select(Role).where(Role.person_id == member.person_id)).all()
    assert [(role.kind, role.is_provisional, role.course_id) for role in roles] == [
        (RoleKind.TRAINER, True, pk(site.course("first")))
    ]


def test_points_and_hours_arrive(site: Site) -> None:
    """Points in the gradebook, once for each block by its weight; hours on the card and as an event, and in no
    gradebook; the card tells both. Hours on their way are no verdict of a requirement."""
    assert Learner(site, "lin").launch("first").status_code == 303
    site.runs()
    site.earned(cast.CHEN, "A1", "A3")
    site.work_until(lambda: states(site, "first") == {"points": "delivered", "hours": "delivered"})
    for block, weight in (("first", 10), ("second", 5)):
        kept = site.kept(block, "lin")["state"]
        assert (kept["points_given"], kept["points_maximum"]) == (2, 3)
        assert kept["module_score"] == pytest.approx(2 / 3 * weight)
        assert kept["hours_given"] == pytest.approx(hours_of(site))
        (grade,) = site.events(block, "lin", "grade")
        assert (grade["value"], grade["max_value"]) == (pytest.approx(2 / 3 * weight), weight)
        (told,) = site.events(block, "lin", "nengli.credit_hours.recorded")
        assert (told["hours"], told["hours_needed"]) == (kept["hours_given"], kept["hours_maximum"])
        assert site.events(block, "lin", "credit") == []
    card = Learner(site, "lin").calls("first", "state").json()
    assert (card["points"]["given"], card["points"]["maximum"]) == ("2", "3")
    assert site.kept("first", "mei")["state"]["points_given"] is None
    assert "2 / 3" in Learner(site, "lin").host.ask("GET", f"{site.root}/unit/first").text


def test_hours_that_suffice_meet_the_requirement_of_a_course_with_credit(site: Site) -> None:
    """Its credit service is told when they are all there, and when they no longer are; each block once."""
    with site.tool.sessions() as session:
        kind = lti.LineItem.kind == lti.LineItemKind.HOURS
        url = session.exec(
            select(lti.LineItem.url).where(lti.LineItem.course_id == pk(site.course("first")), kind)
        ).one()
    at, client = datetime.now(UTC).replace(microsecond=0), site.client("first")
    for n, given in enumerate((2000, 5000, 5500, 4000, 3000)):
        said = send(client, url, site.subject("mei"), given, 5000, at + timedelta(seconds=n))
        assert said.outcome is lti.Outcome.DELIVERED
    for block in ("first", "second"):
        told = [(one["namespace"], one["status"]) for one in site.events(block, "mei", "credit")]
        assert told == [("nengli", "satisfied"), ("nengli", "removed")]
        hours = [one["hours"] for one in site.events(block, "mei", "nengli.credit_hours.recorded")]
        assert hours == [20, 50, 55, 40, 30]
        assert site.events(block, "mei", "grade") == []


def hours_of(site: Site) -> float:
    """The hours that the tool has sent of 陈晓芳."""
    with site.tool.sessions() as session:
        row = session.exec(
            select(lti.ScoreDelivery)
            .join(lti.LineItem)
            .where(lti.LineItem.course_id == pk(site.course("first")), lti.LineItem.kind == lti.LineItemKind.HOURS)
        ).one()
        return row.given_hundredths / 100


def test_a_block_that_was_added_later_catches_up(site: Site) -> None:
    """Its column was not there when the score came; the learner's page brings it."""
    site.opens("late")
    learner = Learner(site, "lin")
    assert learner.launch("late").status_code == 303
    assert site.kept("late", "lin")["state"]["points_given"] is None
    for _again in range(2):
        card = learner.calls("late", "state").json()
        assert card["points"]["given"] == "2"
        assert card["hours"] is not None
    assert site.kept("late", "lin")["state"]["module_score"] == pytest.approx(20 / 3)
    assert len(site.events("late", "lin", "grade")) == 1


def test_a_block_of_weight_0_shows_points_and_grades_nothing(site: Site) -> None:
    """Scored anew it publishes none either: 0 of 0 is no grade."""
    site.opens("free", weight=0)
    learner = Learner(site, "lin")
    assert learner.launch("free").status_code == 303
    assert learner.calls("free", "state").json()["points"]["given"] == "2"
    site.ask("rescore/free/lin")
    assert site.events("free", "lin", "grade") == []
    assert "这里的能力点也不计入成绩。" in learner.host.ask("GET", f"{site.root}/unit/free").text


def test_staff_scores_anew_by_what_the_tool_said_last(site: Site) -> None:
    """The weight was changed since: the same points are another grade now. Done as far as the points reach. What staff
    said instead is the grade until then; the card goes on telling what the tool said."""
    assert [one["completion"] for one in site.events("second", "lin", "completion")] == [pytest.approx(2 / 3)]
    site.opens("second", weight=8.0)
    site.ask("rescore/second/lin?score=2")
    said = site.events("second", "lin", "grade")[-1]
    assert (said["value"], said["max_value"]) == (2, 8)
    assert Learner(site, "lin").calls("second", "state").json()["points"]["given"] == "2"
    assert site.kept("second", "lin")["state"]["module_score"] == 2
    site.ask("rescore/second/lin")
    again = site.events("second", "lin", "grade")[-1]
    assert (again["value"], again["max_value"]) == (pytest.approx(2 / 3 * 8), 8)
    assert site.kept("second", "lin")["state"]["module_score"] == pytest.approx(2 / 3 * 8)
    site.opens("second", weight=5.0)


def test_what_leaves_with_the_course_is_what_authors_wrote(site: Site) -> None:
    """No key, no address, nothing of a learner, though by now the consumer has keys and the learner a score."""
    carried = site.ask("carried/first")
    assert set(re.findall(r' ([a-z_-]+)="', carried["olx"])) - {"xblock-family"} <= {
        *("display_name", "weight", "accept_grades_past_due", "programme", "view", "point", "chosen_title"),
    }
    assert site.tool.world.programme.uuid in carried["olx"]
    with site.tool.sessions() as session:
        platform = get(session, lti.Platform, site.register("first"))
    for secret in (platform.client_id, "BEGIN", site.subject("lin"), site.tool.url):
        assert secret not in carried["olx"] + str(carried["index"])
    assert carried["index"]["content"]["about"] == "信息技术应用能力"
    assert carried["supports"] == ["multi_device"]


def test_a_gated_block_gets_its_score_and_opens_for_nobody(site: Site) -> None:
    """Behind a gate the LMS shows learners neither the block nor its frame. A score that comes meanwhile is in the
    gradebook all the same, and on the card as soon as the gate is open."""
    learner, url = Learner(site, "lin"), site.course("first").lineitem_url
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    site.ask("gate/first")
    assert "<iframe" not in learner.host.ask("GET", f"{site.root}/unit/first").text
    assert learner.host.ask("GET", f"{site.root}/begin/first").status_code == 404
    assert Learner(site, "team").host.ask("GET", f"{site.root}/begin/first").status_code == 302
    assert send(site.client("first"), url, site.subject("lin"), 250, 300, later).outcome is lti.Outcome.DELIVERED
    for name, weight in (("first", 10), ("second", 5)):
        assert site.events(name, "lin", "grade")[-1]["value"] == pytest.approx(2.5 / 3 * weight)
    site.ask("gate/first")
    assert learner.calls("first", "state").json()["points"]["given"] == "2.5"
    again = later + timedelta(seconds=1)
    assert send(site.client("first"), url, site.subject("lin"), 200, 300, again).outcome is lti.Outcome.DELIVERED


@pytest.mark.parametrize("who", ["lin", ""])
def test_the_course_team_sees_a_learners_page_and_enters_nothing(site: Site, who: str) -> None:
    """ "View this course as" a certain learner, or any: the card, a sentence, no way into the tool, nothing written."""
    team, before = Learner(site, "team"), site.kept("first", "lin")
    team.host.ask("GET", f"{site.root}/view-as/{who}")
    page = team.host.ask("GET", f"{site.root}/unit/first").text
    assert "您正以学员的身份看这一页" in page
    assert ("2 / 3" in page) is bool(who)
    assert "<iframe" not in page
    refused = team.host.ask("GET", f"{site.root}/begin/first")
    assert refused.status_code == 403
    assert "退出预览" in refused.text
    for handler in ("state", "remember"):
        assert team.calls("first", handler, {"next": "x"}).status_code == 200
    assert site.kept("first", "lin") == before
    team.host.ask("GET", f"{site.root}/view-as/-")
    assert "<iframe" in team.host.ask("GET", f"{site.root}/unit/first").text


def test_nobody_works_out_the_message_hint_of_our_launches(site: Site) -> None:
    """The consumer launches whoever brings the hint. That of the stock component follows from a number and the usage
    key; ours is another each time, and what follows from both opens nothing."""
    learner, number = Learner(site, "lin"), site.ask("account/lin")["id"]
    site.register("whole")
    for page, kind, block in (("launch", "lti_consumer", "whole"), ("begin", "nengli", "first")):
        starts = [learner.host.ask("GET", f"{site.root}/{page}/{block}").headers["Location"] for _again in range(2)]
        hints = [parse_qs(urlsplit(start).query)["lti_message_hint"][0] for start in starts]
        usage = f"block-v1:PINGAN+ICT2026+2026_Autumn+type@{kind}+block@{block}"
        told = f"app:lti__key:launch_data__resource_link_id:{usage}__user_id:{number}"
        guessed = md5(told.encode(), usedforsecurity=False).hexdigest()
        if kind == "lti_consumer":
            assert hints == [guessed, guessed]
            continue
        assert len({guessed, *hints}) == 3
        asked = urlencode({"lti_message_hint": guessed, "login_hint": site.subject("lin")})
        answer = Learner(site, "mei").host.ask("GET", f"{site.root}/api/lti_consumer/v1/launch/?{asked}")
        assert answer.status_code == 400
        assert "id_token" not in answer.text


def test_one_account_is_one_teacher_by_each_way_in_until_an_officer_says_more(site: Site) -> None:
    """Our block and the stock consumer name the same account of the same host alike (`iss` and `sub`), and Moodle knows
    another of the same name and 工号: three teachers until an officer merges them. All blocks are one way in, and all
    stock components. From Open edX still nobody is proved."""
    (subject,) = site.ask("crowd/1")["subjects"]
    account = Learner(site, "crowd0")
    blocks = [lambda: account.launch("first"), lambda: account.launch("second")]
    ways = [*blocks, lambda: account.launch("whole"), lambda: account.launch("other"), lambda: from_moodle(site)]
    found = [person_of(site, way()) for way in ways]
    block, stock_, moodle = found[0], found[2], found[4]
    assert found == [block, block, stock_, stock_, moodle]
    assert len({block, stock_, moodle}) == 3
    with transaction(site.tool.sessions) as session:
        for person_id in (block, stock_, moodle):
            person = get(session, Person, person_id)
            me = Actor(person.tenant_id, person_id)
            school = site.tool.world.schools["希望小学"].uuid
            said = {"name": "何同名", "school": school, "stage": "primary", "subject": "数学", "staff_number": "S777"}
            people.introduce(session, me, people.Introduction.model_validate(said), datetime.now(UTC))
        twin = doors.twin_of(session, actor_of(session, get(session, Person, block)))
        kept, gone = get(session, Person, moodle).uuid, [get(session, Person, one).uuid for one in (block, stock_)]
        assert twin == doors.Twin(gone[1], is_asked=True)
        assert doors.twin_of(session, actor_of(session, get(session, Person, moodle))) is None
    assert [person_of(site, way()) for way in ways] == found, "alike is not the same"
    with transaction(site.tool.sessions) as session:
        officer = actor_of(session, site.tool.world.person(cast.OFFICER))
        for one in gone:
            merges.merge_persons(session, officer, one, kept, "同一位老师的账号", datetime.now(UTC))
    answers = [way() for way in ways]
    assert {person_of(site, answer) for answer in answers} == {moodle}
    assert [is_guessable(site, answer) for answer in answers] == [True, True, True, True, False]
    with transaction(site.tool.sessions) as session:
        officer = actor_of(session, site.tool.world.person(cast.OFFICER))
        for one in reversed(gone):
            merges.undo_merge(session, officer, one, datetime.now(UTC))
    assert [person_of(site, way()) for way in ways] == found
    assert subject == site.subject("crowd0")


class OverHttp:
    """A browser as `launching.Host` drives one, over the live tool."""

    def __init__(self, root: str) -> None:
        self.root, self.jar = root, Jar()

    def get(self, path: str, query_string: dict[str, str]) -> SimpleNamespace:
        return self.told(self.jar.ask("GET", f"{self.root}{path}?{urlencode(query_string)}"))

    def post(self, path: str, data: dict[str, str]) -> requests.Response:
        return self.jar.ask("POST", self.root + path, data)

    def told(self, answer: requests.Response) -> SimpleNamespace:
        return SimpleNamespace(
            status_code=answer.status_code, text=answer.text, location=answer.headers.get("Location", "")
        )


def from_moodle(site: Site) -> requests.Response:
    """The same teacher's other account launches from a Moodle."""
    with key_server() as (jwks_url, _asked), site.tool.sessions() as session:
        known = session.exec(select(lti.Platform).where(lti.Platform.issuer == "https://moodle.example")).one_or_none()
        if known is None:
            host = Host(
                session,
                pk(site.tool.world.tenant),
                datetime.now(UTC),
                jwks_url,
                tool=site.tool.url,
                issuer="https://moodle.example",
            )
            host.platform.product = "moodle"
        else:
            known.jwks_url = jwks_url
            host = object.__new__(Host)
            host.now, host.tool, host.issuer, host.client_id = (
                datetime.now(UTC),
                site.tool.url,
                known.issuer,
                known.client_id,
            )
        session.commit()
        answer = host.launch(OverHttp(site.tool.url), claims_of("moodle-7", LEARNER, tool=site.tool.url))
    assert answer.status_code == 303, answer.text
    return answer


def session_of(session: Session, answer: requests.Response) -> WebSession:
    """The session that a launch has opened."""
    token = re.search(r"__Host-nengli=([^;]+)", answer.headers["Set-Cookie"])
    assert token is not None
    hashed = sha256(token.group(1).encode()).hexdigest()
    return session.exec(select(WebSession).where(WebSession.token_hash == hashed)).one()


def person_of(site: Site, answer: requests.Response) -> int:
    """Whose session a launch has opened."""
    with site.tool.sessions() as session:
        return session_of(session, answer).person_id


def is_guessable(site: Site, answer: requests.Response) -> bool:
    """Whether the tool holds that this launch could have been somebody else's."""
    with site.tool.sessions() as session:
        row = session_of(session, answer)
        visitor = sessions.visitor_of(session, datetime.now(UTC), token_hash=row.token_hash)
        assert visitor is not None
        return visitor.actor.is_guessable


def test_a_grade_of_zero_and_one_after_the_learner_left(site: Site) -> None:
    """Nothing earned is a grade. A score on its way to somebody who has left the course arrives and breaks nothing."""
    site.register("first")
    Learner(site, "mei").launch("first")
    client, url, subject = site.client("first"), site.course("first").lineitem_url, site.subject("mei")
    assert send(client, url, subject, 0, 300).outcome is lti.Outcome.DELIVERED
    assert site.events("first", "mei", "grade")[-1]["value"] == 0
    site.ask("leave/mei")
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    assert send(client, url, subject, 100, 300, later).outcome is lti.Outcome.DELIVERED


def test_a_token_of_another_registration_is_refused(site: Site) -> None:
    """A stock block's token opens no column of ours, nor ours one of the stock block's."""
    Learner(site, "lin").launch("first")
    Learner(site, "lin").launch("whole")
    own, stocks = site.course("first").lineitem_url, site.course("whole").lineitem_url
    for client, url in ((site.client("whole"), own), (site.client("first"), stocks)):
        refused = send(client, url, site.subject("lin"), 300, 300)
        assert refused.outcome is lti.Outcome.PERMANENT
        assert refused.words.startswith("HTTP 403")


def test_after_the_due_date_it_is_as_the_author_said(site: Site) -> None:
    """A block that takes no grades after it keeps its grade, one that takes them gets the new one."""
    due = "2026-01-01T00:00:00+00:00"
    site.opens("first", due=due, accept_grades_past_due=True)
    site.opens("second", due=due, accept_grades_past_due=False)
    before = [len(site.events(block, "lin", "grade")) for block in ("first", "second")]
    assert "已经截止：" in Learner(site, "lin").host.ask("GET", f"{site.root}/unit/second").text
    url, now = site.course("first").lineitem_url, datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    assert send(site.client("first"), url, site.subject("lin"), 150, 300, now).outcome is lti.Outcome.DELIVERED
    after = [len(site.events(block, "lin", "grade")) for block in ("first", "second")]
    assert after == [before[0] + 1, before[1]]


def test_a_visitor_sees_no_frame(site: Site) -> None:
    page = Learner(site, "lin").tool.ask("GET", f"{site.root}/stranger/first").text
    assert "登录以后才能打开这个任务。" in page
    assert "<iframe" not in page


def test_what_is_chosen_in_the_tool_is_what_the_form_saves(site: Site) -> None:
    """Studio's window, the tool's own picker, the host takes the answer, the form shows it, saving keeps it. A block
    opens one thing: of several that were ticked, the first of the page."""
    author = Learner(site, "admin")
    assert author.calls("blank", "chosen", at="studio").json() == {"chosen": None}
    page = author.see(author.launch("blank", "pick"))
    assert page.status_code == 200
    offered = re.findall(r'name="item" value="([^"]+)"', page.text)
    wanted = [next(one for one in offered if one.endswith(f"/point/{code}")) for code in ("B2", "B3")]
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token is not None
    answer = author.tool.ask("POST", author.address, {"csrf_token": token.group(1), "item": wanted})
    found = re.search(r"<form\b(?:(?!</form>).)*name=\"JWT\".*?</form>", answer.text, re.S)
    assert found is not None, answer.text
    sent = form_in(found.group(0))
    assert author.host.ask("POST", sent.action, sent.fields).status_code == 200
    chosen = author.calls("blank", "chosen", at="studio").json()["chosen"]
    assert (chosen["view"], chosen["point"]) == ("point", "B2")
    assert chosen["programme"] == site.tool.world.programme.uuid
    form = {"display_name": "B2", "weight": "3", "accept_grades_past_due": True, "chosen_title": chosen["title"]}
    named = {name: chosen[name] for name in ("programme", "view", "point")}
    assert author.calls("blank", "submit_studio_edits", {**form, **named}, at="studio").status_code == 200
    kept = site.kept("blank", "lin")
    assert kept["weight"] == 3
    assert kept["target"]["nengli_point"] == "B2"


def test_a_learner_cannot_choose(site: Site) -> None:
    """Neither in the LMS, where the handler refuses, nor by an answer: it counts only from who may write the course."""
    learner = Learner(site, "lin")
    assert learner.calls("blank", "chosen").status_code == 403
    assert learner.calls("blank", "submit_studio_edits", {"weight": "1000"}).status_code == 403
    # Studio lets whoever is signed in there call it; the tool would take them for a trainer.
    page = learner.host.ask("GET", f"{site.root}/pick/blank")
    assert page.status_code == 403
    assert "只有能在 Studio 里修改这门课的人才能选" in page.text


def test_what_a_stock_component_is_told_is_no_score_of_ours(site: Site) -> None:
    """Whatever tool it opens can make a column there that is called like ours."""
    account = Learner(site, "team")
    assert account.launch("other").status_code == 303
    listing, client = site.course("other").lineitems_url, site.client("other", "columns")
    at = datetime.now(UTC).replace(microsecond=0)
    for kind in ("points", "hours"):
        name = f"nengli:{site.tool.world.programme.uuid}:{kind}"
        made = client.find_or_create_line_item(listing, resource_id=name, tag=name, label="x", maximum_hundredths=300)
        assert send(site.client("other"), made.url, site.subject("team"), 300, 300, at).outcome is lti.Outcome.DELIVERED
    card = account.calls("first", "state").json()
    assert (card["points"], card["hours"]) == (None, None)
    assert site.kept("first", "team")["state"]["points_given"] is None


def test_a_block_that_is_gone_keeps_nothing_from_the_others(site: Site) -> None:
    """Deleted in Studio while the consumer still has its columns: the other blocks get what comes."""
    Learner(site, "lin").launch("first")
    site.ask("delete/second")
    url, later = site.course("first").lineitem_url, datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    before = len(site.events("third", "lin", "grade"))
    assert send(site.client("first"), url, site.subject("lin"), 300, 300, later).outcome is lti.Outcome.DELIVERED
    assert len(site.events("third", "lin", "grade")) == before + 1


def test_scores_posted_at_once_and_twice_arrive_once_each(site: Site) -> None:
    """Each learner's score comes twice in the same moment, as after an answer that got lost: one grade each.
    A thousand of them: benchmarks/xblock.py."""
    crowd, url = site.ask("crowd/8"), f"{site.course('first').lineitem_url}/scores"
    head = {"Authorization": f"Bearer {site.client('first').access_token()}", "Content-Type": SCORE}
    whole = {"scoreMaximum": 8, "activityProgress": "Completed", "gradingProgress": "FullyGraded"}
    whole["timestamp"] = datetime.now(UTC).isoformat()

    def post(number: int) -> int:
        body = {**whole, "userId": crowd["subjects"][number], "scoreGiven": number}
        return requests.post(url, json=body, headers=head, timeout=60).status_code

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(post, [*range(8), *range(8)]))
    assert sorted(said) == [201] * 8 + [400] * 8
    grades = sorted(one for one in site.ask("tally/first")["grades"] if one[0] in crowd["numbers"])
    assert grades == [[number, pytest.approx(n / 8 * 10)] for n, number in enumerate(crowd["numbers"])]


def test_the_registration_outlives_every_block(site: Site) -> None:
    """Studio tells the consumer of blocks that are deleted; with the last one it drops keys that nobody uses any more.
    The site's are used: a block that is added then needs no registration."""
    before = site.ask("site")
    for block in ("first", "second", "third", "late", "free", "blank"):
        site.ask(f"delete/{block}?told=1")
    assert site.ask("site") == before
    site.opens("anew")
    assert Learner(site, "lin").launch("anew").status_code == 303
    assert site.ask("site") == before


def test_the_lms_has_written_no_traceback(site: Site) -> None:
    """The last test of the file: none of all this was a fault to the LMS."""
    assert "Traceback" not in site.log.read_text(encoding="utf-8", errors="replace")
