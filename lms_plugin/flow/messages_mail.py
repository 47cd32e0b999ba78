"""消息 by letter: an address that its owner has confirmed with a code gets one letter a day with what is unread.

A letter names nobody, says no mark, and holds nothing that signs anybody in; the link in it that ends letters has that
one purpose. Nothing goes out in the district's night.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import func
from sqlalchemy.orm import aliased, sessionmaker
from sqlmodel import Session, col, select

from lms_plugin import leaving, outbox
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.config import Settings
from lms_plugin.db import get, new_uuid, pk, transaction
from lms_plugin.errors import Invalid, NotFound, Refused, Unavailable
from lms_plugin.flow import humans
from lms_plugin.flow.message_words import KINDS
from lms_plugin.inbox import Letter, MailAddress, Message
from lms_plugin.mail import Channel, Post, Smtp
from lms_plugin.people import Person, Tenant

MOST_LINES = 20
CODE_HOLDS, CODE_TRIES = timedelta(hours=1), 5
CODE_AGAIN, CODES_A_DAY = timedelta(minutes=2), 6


class Daytime(NamedTuple):
    """Letters go out from the full hour `first` to the full hour `until` of the district's day; the rest is night."""

    first: int = 7
    until: int = 22

    def covers(self, local: datetime) -> bool:
        """Whether that moment, in the district's time, is by day."""
        return self.first <= local.hour < self.until

    @property
    def hours(self) -> range:
        """The hours that a person may choose for their letter."""
        return range(self.first, self.until)


DAYTIME = Daytime()
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+"
)
_TOKEN = re.compile(r"[0-9a-f]{32}\.[0-9a-f]{40}")


def channel_of(settings: Settings) -> Channel | None:
    """The way in which letters leave, as the settings say; None = they do not."""
    if not settings.smtp_host:
        return None
    return Smtp(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        sender=settings.smtp_from,
        name=settings.product_name,
        user=settings.smtp_user,
        password=settings.smtp_password.get_secret_value(),
    )


@dataclass(frozen=True)
class House:
    """What a letter says of the installation it comes from."""

    secret_key: str
    public_url: str
    name_zh: str
    name_en: str
    daytime: Daytime = DAYTIME

    @property
    def host(self) -> str:
        """For Message-IDs."""
        return self.public_url.partition("://")[2].partition("/")[0].partition(":")[0]


@dataclass(frozen=True)
class Mine:
    """The actor's own address as the page shows it. `state`: "" none, "waits" for its code, "on", "off"."""

    address: str = ""
    hour: int = 18
    state: str = ""
    trouble: str = ""


def mine(session: Session, actor: Actor) -> Mine:
    """Where the actor gets letters: one query."""
    require(actor, Permission.MESSAGES_READ, own(actor))
    row = _of(session, actor)
    if row is None:
        return Mine()
    state = "off" if row.ended_at is not None else "on" if row.confirmed_at is not None else "waits"
    return Mine(row.address, row.hour, state, row.trouble)


def _of(session: Session, actor: Actor) -> MailAddress | None:
    """The address that counts, where rows of one human being have several: one that letters go to, that of today."""
    return next(iter(_all_of(session, actor)), None)


def _all_of(session: Session, actor: Actor) -> list[MailAddress]:
    found = session.exec(
        select(MailAddress)
        .where(col(MailAddress.person_id).in_(actor.person_ids))
        .order_by(col(MailAddress.id))
        .execution_options(populate_existing=True)
    )
    return sorted(
        found,
        key=lambda row: (row.ended_at is not None, row.confirmed_at is None, row.person_id != actor.person_id),
    )


def set_address(
    session: Session, actor: Actor, address: str, hour: int, now: datetime, daytime: Daytime = DAYTIME
) -> MailAddress:
    """Keeps the address and sends a code to it; nothing else goes there before the code came back.

    Raises Invalid `address`, `hour`; Refused `mail.code_too_often` within two minutes of the last code, and
    `mail.codes_of_the_day` after `CODES_A_DAY` of them: nobody guesses on, or fills a stranger's box.
    """
    require(actor, Permission.MESSAGES_READ, own(actor))
    address = address.strip()
    wrong: dict[str, str | tuple[str, dict[str, Any]]] = {}
    # What looks like an encoded word (RFC 2047) would read otherwise in the letter's head than it is sent to.
    if len(address) > 254 or "=?" in address or not _ADDRESS.fullmatch(address):
        wrong["address"] = "mail.address_form"
    if hour not in daytime.hours:
        wrong["hour"] = ("form.number", {"least": daytime.first, "most": daytime.until - 1})
    if wrong:
        raise Invalid(wrong)
    own_row = select(Person).where(Person.id == actor.person_id).with_for_update(key_share=True)
    session.exec(own_row).one()  # of two posts at once the second finds what the first one asked for
    row = _of(session, actor)
    if row is not None and row.address == address and row.confirmed_at is not None and row.ended_at is None:
        row.hour = hour
        session.add(row)
        session.flush()
        return row
    if row is not None and now - row.code_at < CODE_AGAIN:
        raise Refused("mail.code_too_often")
    if row is not None and _codes_since(session, row, now - timedelta(days=1)) >= CODES_A_DAY:
        raise Refused("mail.codes_of_the_day")
    for other in _all_of(session, actor):
        if other is not row:
            _end(session, other, now)
    if row is None:
        row = MailAddress(tenant_id=actor.tenant_id, person_id=actor.person_id, address=address, hour=hour, code_at=now)
    row.address, row.hour, row.code_at, row.code_tries = address, hour, now, 0
    row.confirmed_at, row.ended_at, row.trouble = None, None, ""
    session.add(row)
    session.flush()
    outbox.put(session, row.tenant_id, outbox.MAIL_CODE, str(pk(row)), {"address_id": pk(row)}, now)
    return row


def _codes_since(session: Session, row: MailAddress, since: datetime) -> int:
    job = outbox.Job
    return int(
        session.exec(
            select(func.count()).where(
                job.kind == outbox.MAIL_CODE, job.key == str(pk(row)), col(job.created_at) > since
            )
        ).one()
    )


def confirm(session: Session, actor: Actor, code: str, secret_key: str, now: datetime) -> None:
    """The code came back: from now on letters go there. Raises Invalid `code` for another one, after an hour, and after
    five wrong ones. Tries are counted by whoever commits a refusal too: see `web.inbox`. Once it is confirmed, nothing
    happens: a second click."""
    require(actor, Permission.MESSAGES_READ, own(actor))
    row = _of(session, actor)
    if row is None or row.ended_at is not None:
        raise NotFound
    session.refresh(row, with_for_update=True)
    if row.confirmed_at is not None:
        return
    row.code_tries += 1
    session.add(row)
    session.flush()
    if row.code_tries > CODE_TRIES or now > row.code_at + CODE_HOLDS:
        raise Invalid({"code": "mail.code_over"})
    if not hmac.compare_digest(code_of(row, secret_key).encode(), "".join(code.split()).encode()):
        raise Invalid({"code": "mail.code_wrong"})
    row.confirmed_at, row.trouble = now, ""
    session.add(row)
    session.flush()


def remove(session: Session, actor: Actor, now: datetime) -> None:
    """No more letters. Twice is harmless."""
    require(actor, Permission.MESSAGES_READ, own(actor))
    for row in _all_of(session, actor):
        _end(session, row, now)


def _end(session: Session, row: MailAddress, now: datetime) -> None:
    row.ended_at = row.ended_at or now
    session.add(row)
    session.flush()


def code_of(row: MailAddress, secret_key: str) -> str:
    """Six digits, reckoned from what was asked for: they are kept nowhere."""
    said = f"nengli mail code {row.uuid} {row.address} {row.code_at.timestamp():.6f}"
    found = int.from_bytes(hmac.digest(secret_key.encode(), said.encode(), hashlib.sha256)[:8], "big")
    return f"{found % 1_000_000:06d}"


# --- the link that ends letters: without a sign-in, for that one purpose ---


def off_token(row: MailAddress, secret_key: str) -> str:
    """What the link in a letter holds."""
    return f"{row.uuid}.{_signed(row.uuid, secret_key)}"


def _signed(uuid: str, secret_key: str) -> str:
    return hmac.new(secret_key.encode(), f"nengli mail off {uuid}".encode(), hashlib.sha256).hexdigest()[:40]


def end_by_link(session: Session, token: str, secret_key: str, now: datetime, *, act: bool) -> bool:
    """Whether letters are over (afterwards, with `act`). Raises NotFound for a token that is not ours."""
    if not _TOKEN.fullmatch(token):
        raise NotFound
    uuid, _dot, signature = token.partition(".")
    if not hmac.compare_digest(_signed(uuid, secret_key), signature):
        raise NotFound
    row = session.exec(select(MailAddress).where(MailAddress.uuid == uuid)).one_or_none()
    if row is None:
        return True  # the address is gone, and so are letters
    if act:
        _end(session, row, now)
    return row.ended_at is not None


# --- jobs ---


def ask_letters(session: Session, now: datetime, daytime: Daytime = DAYTIME) -> int:
    """The worker's sweep: asks for the letter of the day of each confirmed address whose hour has come and whose owner
    has something unread that no letter told yet. Gives the number; two queries for each district with addresses."""
    asked = 0
    tenants = session.exec(
        select(Tenant).where(col(Tenant.id).in_(select(MailAddress.tenant_id))).order_by(col(Tenant.id))
    ).all()
    for tenant in tenants:
        local = now.astimezone(ZoneInfo(tenant.timezone))
        if not daytime.covers(local) or leaving.is_read_only(tenant, now):
            continue
        told, owner = aliased(Person), aliased(Person)
        waits = (  # on any row of the human being
            select(Message.id)
            .join(told, col(told.id) == col(Message.person_id))
            .join(owner, humans.same_human(told, owner))
            .where(
                owner.id == col(MailAddress.person_id),
                col(Message.read_at).is_(None),
                col(Message.mailed_at).is_(None),
            )
        )
        had = select(Letter.id).where(col(Letter.address_id) == col(MailAddress.id), Letter.day == local.date())
        due = session.exec(
            select(MailAddress.id).where(
                MailAddress.tenant_id == pk(tenant),
                col(MailAddress.confirmed_at).is_not(None),
                col(MailAddress.ended_at).is_(None),
                # an hour that was chosen before the day became shorter: in its last one
                (col(MailAddress.hour) <= local.hour) | (local.hour == daytime.until - 1),
                waits.exists(),
                ~had.exists(),
            )
        ).all()
        jobs = {f"{key}:{local.date().isoformat()}": {"address_id": key or 0} for key in due}
        outbox.put_many(session, pk(tenant), outbox.MAIL, jobs, now)
        asked += len(jobs)
    return asked


Sessions = sessionmaker[Any]


def send_code(sessions: Sessions, channel: Channel | None, house: House, ids: Mapping[str, int], now: datetime) -> None:
    """The job: the code to an address that waits for it. Twice sends the same code."""
    with transaction(sessions) as session:
        row = session.get(MailAddress, ids["address_id"])
        if row is None or row.confirmed_at is not None or row.ended_at is not None or now > row.code_at + CODE_HOLDS:
            return
        person = get(session, Person, row.person_id)
        name = _name(house, person.locale)
        code = code_of(row, house.secret_key)
        post = Post(
            to=row.address,
            subject=_both(person.locale, f"{name}：验证码", f"{name}: your code"),
            text=_both(
                person.locale,
                f"您的验证码是 {code}，一小时内有效。请回到“消息”页填上。\n"
                "不是您要的，不用理会：不填就不会再有信来。\n",
                f"Your code is {code}; it holds for an hour. Type it on the page of messages.\n"
                "If you did not ask for it, do nothing: without it no other letter comes.\n",
            ),
            message_id=f"<code-{row.uuid}-{int(row.code_at.timestamp())}@{house.host}>",
            at=now,
        )
    _deliver(sessions, channel, post, ids["address_id"])


def send_letter(
    sessions: Sessions, channel: Channel | None, house: House, ids: Mapping[str, int], now: datetime
) -> None:
    """The job: the letter of the day. It is put together once and keeps its Message-ID; once it is noted as sent, it
    is not sent again. What was read meanwhile is left out; where nothing is left, or night has come, nothing goes."""
    with transaction(sessions) as session:
        row = session.get(MailAddress, ids["address_id"])
        if row is None or row.confirmed_at is None or row.ended_at is not None:
            return
        tenant, person = get(session, Tenant, row.tenant_id), get(session, Person, row.person_id)
        local = now.astimezone(ZoneInfo(tenant.timezone))
        if not house.daytime.covers(local) or leaving.is_read_only(tenant, now):
            return
        letter = session.exec(
            select(Letter).where(Letter.address_id == pk(row), Letter.day == local.date())
        ).one_or_none()
        if letter is not None and letter.sent_at is not None:
            return
        rows = humans.rows_of(humans.today_of(session, person))
        told = session.exec(
            select(Message)
            .where(col(Message.person_id).in_(rows), col(Message.read_at).is_(None), col(Message.mailed_at).is_(None))
            .order_by(col(Message.raised_at), col(Message.id))
        ).all()
        if not told:
            return
        if letter is None:
            letter = Letter(
                address_id=pk(row),
                day=local.date(),
                message_id=f"<{new_uuid()}@{house.host}>",
                messages=[],
                begun_at=now,
            )
        letter.messages = [pk(one) for one in told]
        session.add(letter)
        session.flush()
        letter_id, raised = pk(letter), {pk(one): one.raised_at for one in told}
        post = _letter(house, row, person.locale, list(told), letter.message_id, now)
    _deliver(sessions, channel, post, ids["address_id"])
    with transaction(sessions) as session:
        get(session, Letter, letter_id).sent_at = now
        for message in session.exec(select(Message).where(col(Message.id).in_(list(raised)))):
            if message.raised_at == raised[pk(message)]:  # told anew meanwhile: that goes tomorrow
                message.mailed_at = now
                session.add(message)


def _letter(house: House, row: MailAddress, locale: str, told: list[Message], message_id: str, now: datetime) -> Post:
    name, language = _name(house, locale), "en" if locale == "en" else "zh"
    lines = [f"· {KINDS[one.kind].said(one.params, language)}" for one in told if one.kind in KINDS]
    if len(lines) > MOST_LINES:
        more = len(lines) - MOST_LINES
        lines = [*lines[:MOST_LINES], _both(locale, f"· 还有 {more} 条", f"· and {more} more")]
    off = f"{house.public_url}/mail/off/{off_token(row, house.secret_key)}"
    text = "\n".join(
        [
            _both(locale, f"{name}里有 {len(told)} 条消息等您看：", f"{len(told)} messages wait for you in {name}:"),
            "",
            *lines,
            "",
            _both(
                locale,
                f"去看：请从课程进入，或打开 {house.public_url}/messages （要先登录）",
                f"To see them enter from your course, or open {house.public_url}/messages (sign in first)",
            ),
            "",
            _both(locale, f"不想再收信：{off}", f"No more letters: {off}"),
            "",
        ]
    )
    return Post(
        to=row.address,
        subject=_both(locale, f"{name}：{len(told)} 条消息", f"{name}: {len(told)} messages"),
        text=text,
        message_id=message_id,
        at=now,
        headers={"List-Unsubscribe": f"<{off}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
    )


def _deliver(sessions: Sessions, channel: Channel | None, post: Post, address_id: int) -> None:
    """Hands a letter over; what went wrong stands with the address until the next one arrives."""
    trouble: Unavailable | None = None
    if channel is None:
        trouble = Unavailable("mail.not_set_up", permanent=True)
    else:
        try:
            channel.send(post)
        except Unavailable as error:
            trouble = error
    with transaction(sessions) as session:
        row = session.get(MailAddress, address_id)
        if row is not None and row.trouble != (trouble.code if trouble is not None else ""):
            row.trouble = trouble.code if trouble is not None else ""
            session.add(row)
    if trouble is not None:
        raise trouble


def _name(house: House, locale: str) -> str:
    return house.name_en if locale == "en" else house.name_zh


def _both(locale: str, zh: str, en: str) -> str:
    return en if locale == "en" else zh
