"""消息: who is told what, once and in the act; letters by a real mail server, with its refusals, delays and cuts."""

import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, select

from lms_plugin import outbox
from lms_plugin.db import pk
from lms_plugin.errors import Invalid, NotFound, Refused, Unavailable
from lms_plugin.flow import cases, merges, messages, messages_mail, review
from lms_plugin.flow.message_words import KINDS, RELEASED
from lms_plugin.inbox import Letter, MailAddress, Message
from lms_plugin.mail import Post, Smtp
from tests import people as cast
from tests.factories import World
from tests.flow.earned import earn
from tests.flow.handed_in import all_marks, hand_in, judgement
from tests.smtp_host import MailHost, mail_host

SECRET = "s" * 40
HOUSE = messages_mail.House(SECRET, "https://tool.example", "教师能力点考核", "Teacher competency points")
MORNING = datetime(2026, 11, 3, 1, 0, tzinfo=UTC)  # 9:00 in the district
NIGHT = datetime(2026, 11, 3, 15, 0, tzinfo=UTC)  # 23:00


def told(world: World, who: cast.Cast) -> list[tuple[str, bool]]:
    rows = world.session.exec(
        select(Message).where(Message.person_id == pk(world.person(who))).order_by(col(Message.id))
    )
    return [(row.kind, row.read_at is not None) for row in rows]


def channel(host: MailHost, **more: Any) -> Smtp:
    return Smtp("127.0.0.1", host.port, more.pop("security", "none"), "nengli@tool.example", "能力", **more)


@pytest.fixture
def sessions(world: World) -> Any:
    return sessionmaker(
        world.session.connection(), class_=Session, expire_on_commit=False, join_transaction_mode="create_savepoint"
    )


def wants_letters(world: World, who: cast.Cast = cast.CHEN, address: str = "chen@school.example") -> MailAddress:
    """The person's address, confirmed with its code."""
    row = messages_mail.set_address(world.session, world.actor(who), address, 9, MORNING)
    messages_mail.confirm(world.session, world.actor(who), messages_mail.code_of(row, SECRET), SECRET, MORNING)
    world.session.commit()
    return row


def send(world: World, sessions: Any, host: MailHost | None, row: MailAddress, now: datetime = MORNING) -> None:
    made = channel(host) if host is not None else None
    messages_mail.send_letter(sessions, made, HOUSE, {"address_id": pk(row)}, now)
    world.session.expire_all()


def test_acts_tell_whom_they_concern(world: World) -> None:
    earn(world, cast.CHEN, "A3")
    assert told(world, cast.CHEN) == [(RELEASED, False)]
    work = hand_in(world, cast.WANG, "A3", world.now - timedelta(hours=2))
    cases.return_work(
        world.session, world.actor(cast.TRAINER), work.uuid, judgement(all_marks(world, work, 0)), 0, 1, world.now
    )
    assert told(world, cast.WANG) == [("work.returned", False)]
    for who in (cast.LI, cast.ZHAO, cast.SUN):
        hand_in(world, who, "A3", world.now - timedelta(hours=2))
    world.set_rules(review={"pool": "district"})
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 3, world.now)
    assert told(world, cast.LI) == [("review.asked", False)]


def test_every_kind_has_words_in_both_languages_and_names_nobody() -> None:
    for words in KINDS.values():
        assert {words.said({"title": "T", "code": "A3"}, language) for language in ("zh", "en")}
        assert words.said({}, "zh")
        assert set(re.findall(r"{(\w+)}", words.zh + words.en)) <= {"title", "code"}
        assert re.search(r"[一-鿿]", words.zh)
        assert not re.search(r"[一-鿿]", words.en)


def test_a_message_is_opened_read_and_unread(world: World) -> None:
    earn(world, cast.CHEN, "A3")
    session, chen = world.session, world.actor(cast.CHEN)
    (line,) = messages.inbox(session, chen, 1).lines
    assert messages.open_message(session, chen, line.uuid, world.now).startswith("/submissions/")
    assert messages.inbox(session, chen, 1).unread == 0
    messages.set_read(session, chen, line.uuid, world.now, is_read=False)
    assert messages.inbox(session, chen, 1).unread == 1
    messages.read_all(session, chen, world.now - timedelta(seconds=1), world.now)
    assert messages.inbox(session, chen, 1).unread == 1  # it came after the page was shown
    messages.read_all(session, chen, world.now, world.now)
    assert messages.inbox(session, chen, 1).unread == 0
    for stranger in (cast.WANG, cast.NEIGHBOUR):
        with pytest.raises(NotFound):
            messages.open_message(session, world.actor(stranger), line.uuid, world.now)


def test_told_again_it_is_unread_again_and_stays_one(world: World) -> None:
    person = pk(world.person(cast.CHEN))
    for now in (MORNING, MORNING + timedelta(hours=1)):
        one = messages.Told(person, "k", {"code": "A3"})
        messages.tell(world.session, pk(world.tenant), RELEASED, [one, one], now)
        assert told(world, cast.CHEN) == [(RELEASED, False)]
        messages.read_all(world.session, world.actor(cast.CHEN), now, now)


def test_an_address_is_confirmed_before_any_letter(world: World, sessions: Any) -> None:
    session, chen = world.session, world.actor(cast.CHEN)
    for wrong in ("chen", "chen@school", "a@b.cn\r\nBcc: x@y.cn", "陈@school.cn", "=?utf-8?q?x=0d=0aBcc=3a?=@b.cn"):
        with pytest.raises(Invalid):
            messages_mail.set_address(session, chen, wrong, 9, MORNING)
    row = messages_mail.set_address(session, chen, "chen@school.example", 9, MORNING)
    with pytest.raises(Refused):
        messages_mail.set_address(session, chen, "other@school.example", 9, MORNING)
    session.commit()
    earn(world, cast.CHEN, "A3")
    session.commit()
    with mail_host() as host:
        send(world, sessions, host, row)
        assert (host.letters, messages_mail.ask_letters(session, MORNING)) == ([], 0)
        messages_mail.send_code(sessions, channel(host), HOUSE, {"address_id": pk(row)}, MORNING)
        code = re.search(r"\d{6}", host.letters[0].get_content())
    assert code is not None
    with pytest.raises(Invalid):
        messages_mail.confirm(session, chen, "000000" if code[0] != "000000" else "111111", SECRET, MORNING)
    messages_mail.confirm(session, chen, code[0], SECRET, MORNING)
    assert messages_mail.mine(session, chen).state == "on"
    assert messages_mail.ask_letters(session, MORNING) == 1


def test_codes_end(world: World) -> None:
    session, chen = world.session, world.actor(cast.CHEN)
    row = messages_mail.set_address(session, chen, "chen@school.example", 9, MORNING)
    code = messages_mail.code_of(row, SECRET)
    with pytest.raises(Invalid):
        messages_mail.confirm(session, chen, code, SECRET, MORNING + timedelta(hours=2))
    row.code_tries = messages_mail.CODE_TRIES
    with pytest.raises(Invalid):
        messages_mail.confirm(session, chen, code, SECRET, MORNING)


def test_a_letter_a_day_says_no_names_no_marks_and_signs_nobody_in(world: World, sessions: Any) -> None:
    row = wants_letters(world)
    earn(world, cast.CHEN, "A3", "A5", level=2)
    world.session.commit()
    with mail_host() as host:
        send(world, sessions, host, row)
        send(world, sessions, host, row)  # a job may run twice
        (letter,) = host.letters
    text = letter.get_content()
    assert "A3 的结果发布了" in text
    assert not [one.name for one in (*cast.TEACHERS, cast.TRAINER, cast.OFFICER) if one.name in text]
    assert not re.search("优秀|合格|学时", text)
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    links = set(re.findall(r"https://\S+", text))
    assert links == {"https://tool.example/messages", letter["List-Unsubscribe"].strip("<>")}
    assert messages_mail.ask_letters(world.session, MORNING + timedelta(hours=1)) == 0
    sent = world.session.exec(select(Letter)).one()
    assert (sent.message_id, sent.sent_at) == (letter["Message-ID"], MORNING)


def test_english_by_choice(world: World, sessions: Any) -> None:
    world.person(cast.CHEN).locale = "en"
    row = wants_letters(world)
    earn(world, cast.CHEN, "A3")
    world.session.commit()
    with mail_host() as host:
        send(world, sessions, host, row)
    assert "The result of A3 is released" in host.letters[0].get_content()


@pytest.mark.parametrize(
    ("said", "code", "is_permanent"),
    [
        ({"RCPT": "450 4.2.0 greylisted, try later"}, "mail.later", False),
        ({"RCPT": "550 no such user"}, "mail.recipient_refused", True),
        ({"MAIL": "553 not you"}, "mail.sender_refused", False),
        ({"DATA": ""}, "mail.unreachable", False),  # it hangs up
        ({".": "554 spam"}, "mail.content_refused", True),
        ({"EHLO": "", "HELO": ""}, "mail.unreachable", False),
    ],
)
def test_what_a_server_may_answer(
    world: World, sessions: Any, said: dict[str, str], code: str, is_permanent: bool
) -> None:
    row = wants_letters(world)
    earn(world, cast.CHEN, "A3")
    world.session.commit()
    with mail_host(MailHost(said)) as host:
        with pytest.raises(Unavailable) as trouble:
            send(world, sessions, host, row)
        assert (trouble.value.code, trouble.value.permanent) == (code, is_permanent)
        world.session.expire_all()
        assert messages_mail.mine(world.session, world.actor(cast.CHEN)).trouble == code
        first = world.session.exec(select(Letter)).one().message_id
        host.said.clear()
        host.letters.clear()
        send(world, sessions, host, row)
        assert [letter["Message-ID"] for letter in host.letters] == [first]
    assert messages_mail.mine(world.session, world.actor(cast.CHEN)).trouble == ""


def test_nothing_goes_at_night_nor_without_a_server(world: World, sessions: Any) -> None:
    row = wants_letters(world)
    earn(world, cast.CHEN, "A3")
    world.session.commit()
    assert messages_mail.ask_letters(world.session, NIGHT) == 0
    with mail_host() as host:
        send(world, sessions, host, row, NIGHT)
    assert host.letters == []
    with pytest.raises(Unavailable) as trouble:
        send(world, sessions, None, row)
    assert trouble.value.code == "mail.not_set_up"


def test_the_link_in_a_letter_ends_letters_and_nothing_else(world: World, browse: Any, tool: Any) -> None:
    row = wants_letters(world)
    secret = tool.extensions["nengli"].settings.secret_key.get_secret_value()
    link = f"/mail/off/{messages_mail.off_token(row, secret)}"
    stranger = tool.test_client()
    assert "不想再收到这里的信" in stranger.get(link).text
    assert row.ended_at is None  # programs follow links
    assert stranger.post(link, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    world.session.expire_all()
    assert row.ended_at is not None
    assert stranger.get("/messages").status_code == 401
    assert stranger.get(link[:-1] + ("0" if link[-1] != "0" else "1")).status_code == 404
    assert messages_mail.ask_letters(world.session, MORNING) == 0


def test_the_pages(world: World, browse: Any) -> None:
    earn(world, cast.CHEN, "A3")
    chen = browse(cast.CHEN)
    page = chen.get("/messages").text
    assert "A3 的结果发布了" in page
    uuid = world.session.exec(select(Message.uuid)).first()
    assert chen.post(f"/messages/{uuid}/open").headers["Location"].endswith("/result")
    assert "没有未读的消息" in chen.get("/messages").text
    assert browse(cast.WANG).post(f"/messages/{uuid}/open").status_code == 404


def test_the_page_of_the_address(world: World, browse: Any, tool: Any, clock: list[datetime]) -> None:
    parts = tool.extensions["nengli"]
    chen = browse(cast.CHEN)
    assert "这里没有开通邮件" in chen.get("/messages/mail").text
    parts.settings = parts.settings.model_copy(update={"smtp_host": "127.0.0.1", "smtp_from": "n@t.cn"})
    assert "请填完整的邮箱地址" in chen.post("/messages/mail", {"address": "chen", "hour": "9"}).text
    assert chen.post("/messages/mail", {"address": "chen@school.example", "hour": "9"}).status_code == 303
    assert "六位验证码" in chen.get("/messages/mail").text
    for _ in range(messages_mail.CODE_TRIES):
        assert "验证码不对" in chen.post("/messages/mail/confirm", {"code": "x"}).text
    row = world.session.exec(select(MailAddress)).one()
    code = messages_mail.code_of(row, parts.settings.secret_key.get_secret_value())
    assert "错得太多" in chen.post("/messages/mail/confirm", {"code": code}).text
    clock[0] += timedelta(minutes=3)
    assert chen.post("/messages/mail", {"address": "chen@school.example", "hour": "9"}).status_code == 303
    world.session.expire_all()
    row = world.session.exec(select(MailAddress)).one()
    code = messages_mail.code_of(row, parts.settings.secret_key.get_secret_value())
    assert chen.post("/messages/mail/confirm", {"code": code}).status_code == 303
    assert "chen@school.example" in chen.get("/messages").text
    chen.post("/messages/mail/remove")
    assert "也发到我的邮箱" in chen.get("/messages").text


@pytest.fixture
def secured(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A certificate for localhost: the server's side, and the trust of who knows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "both.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cadata=made.public_bytes(serialization.Encoding.PEM).decode())


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_letters_are_secured_and_signed_in(
    security: Any, secured: tuple[ssl.SSLContext, ssl.SSLContext], world: World, sessions: Any
) -> None:
    server, trust = secured
    host = MailHost(trust=server, from_the_start=security == "tls", users={"u": "p"})
    with mail_host(host):
        good = Smtp("localhost", host.port, security, "n@t.cn", "N", "u", "p", trust=trust)
        good.check()
        row = wants_letters(world)
        earn(world, cast.CHEN, "A3")
        world.session.commit()
        messages_mail.send_letter(sessions, good, HOUSE, {"address_id": pk(row)}, MORNING)
        assert host.secured == [True]
        for wrong, code in (
            (Smtp("localhost", host.port, security, "n@t.cn", "N", "u", "x", trust=trust), "login_refused"),
            (Smtp("localhost", host.port, security, "n@t.cn", "N", "u", "p"), "tls"),
        ):
            with pytest.raises(Unavailable) as trouble:
                wrong.check()
            assert trouble.value.code == f"mail.{code}"


def test_a_server_without_starttls_gets_nothing() -> None:
    with mail_host() as host, pytest.raises(Unavailable) as trouble:
        channel(host, security="starttls").check()
    assert trouble.value.code == "mail.no_starttls"


def test_a_job_of_the_sweep_is_one_a_day(world: World) -> None:
    wants_letters(world)
    earn(world, cast.CHEN, "A3")
    assert [messages_mail.ask_letters(world.session, MORNING) for _ in range(2)] == [1, 1]
    jobs = world.session.exec(select(outbox.Job).where(outbox.Job.kind == outbox.MAIL)).all()
    assert len(jobs) == 1


def test_after_a_merge_letters_tell_what_came_to_any_row_and_one_click_ends_them_all(
    world: World, sessions: Any
) -> None:
    session = world.session
    old, today = wants_letters(world, cast.CHEN), wants_letters(world, cast.WANG, "wang@school.example")
    gone, kept = world.person(cast.CHEN), world.person(cast.WANG)
    merges.merge_persons(session, world.actor(cast.OFFICER), gone.uuid, kept.uuid, "同一个人", MORNING)
    messages_mail.set_address(session, world.actor(cast.WANG), "wang@school.example", 10, MORNING)
    messages.tell(session, pk(world.tenant), RELEASED, [messages.Told(pk(gone), "k", {"code": "A3"})], MORNING)
    later = MORNING + timedelta(hours=2)
    today.ended_at = MORNING
    session.commit()
    assert messages_mail.mine(session, world.actor(cast.WANG)).address == "chen@school.example"
    today.ended_at, old.ended_at = None, MORNING
    session.commit()
    assert messages_mail.ask_letters(session, later) == 1  # to the address of today, what the row of before was told
    with mail_host() as host:
        send(world, sessions, host, today, later)
    assert [letter["To"] for letter in host.letters] == ["wang@school.example"]
    old.ended_at = None
    messages_mail.remove(session, world.actor(cast.WANG), later)
    assert (old.ended_at, today.ended_at) == (later, later)


def test_codes_of_a_day_are_few(world: World) -> None:
    session, chen, now = world.session, world.actor(cast.CHEN), MORNING
    for _ in range(messages_mail.CODES_A_DAY):
        row = messages_mail.set_address(session, chen, "chen@school.example", 9, now)
        job = session.exec(select(outbox.Job).where(outbox.Job.state == outbox.JobState.READY)).one()
        job.state = outbox.JobState.DONE
        session.add(job)
        session.flush()
        now += timedelta(minutes=3)
    with pytest.raises(Refused) as many:
        messages_mail.set_address(session, chen, "chen@school.example", 9, now)
    assert many.value.code == "mail.codes_of_the_day"
    assert row.code_at < now
    messages_mail.set_address(session, chen, "chen@school.example", 9, now + timedelta(days=1))


def test_a_second_click_on_confirming_changes_nothing(world: World) -> None:
    row = wants_letters(world)
    messages_mail.confirm(world.session, world.actor(cast.CHEN), "000000", SECRET, MORNING + timedelta(minutes=1))
    assert row.confirmed_at == MORNING


def test_no_letter_goes_twice_for_a_rude_goodbye_and_no_address_into_logs(world: World, sessions: Any) -> None:
    row = wants_letters(world)
    earn(world, cast.CHEN, "A3")
    world.session.commit()
    with mail_host(MailHost({"QUIT": "421 closing"})) as host:
        send(world, sessions, host, row)
        assert world.session.exec(select(Letter)).one().sent_at == MORNING
    with mail_host(MailHost({"RCPT": "550 5.1.1 <chen@school.example>: no such user"})) as host:
        with pytest.raises(Unavailable) as trouble:
            channel(host).send(Post("chen@school.example", "s", "t", "<m@x>", MORNING))
        assert trouble.value.words == "550 5.1.1 … no such user"
