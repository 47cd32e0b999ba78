"""确认是本人: who came from a platform whose launches prove nobody shows that it is really them, before they decide,
publish or seal.

By their 签字口令, which nobody else knows. It is set by who has proved themselves: by a 确认码 that an officer or
school lead gave them in person, by accepting an invitation, or by coming from a platform that proves who launches. A
proof holds for `sessions.PROOF_HOLDS`, in its session and in those that the same browser opens (ADR 0045).
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlmodel import Session, col, select

from lms_plugin.access import Actor, Permission, Scope, own, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Invalid
from lms_plugin.flow import humans, invitations, sessions, tries
from lms_plugin.flow.people import person_scope
from lms_plugin.flow.sessions import PROOF_HOLDS, is_proved
from lms_plugin.people import Person, Role, RoleKind, WebSession
from lms_plugin.signing_words import SigningWord

CODE_HOLDS = timedelta(days=3)
MOST_TRIES = 5
SHORTEST, LONGEST = 8, 100
_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # without letters and digits that are mistaken for each other
_COST = (2**14, 8, 1)  # scrypt: 16 MB and some 50 ms for each guess


@dataclass(frozen=True)
class ProofPage:
    """Where somebody stands. `is_needed`: their platform proves nobody and they have not done so either.
    `proved_until`: None where no proof was needed. `has_word`, `has_code`: what they can prove themselves by."""

    is_needed: bool
    proved_until: datetime | None
    has_word: bool
    has_code: bool


@dataclass(frozen=True)
class CodePage:
    """For whom a 确认码 is, and until when the last one holds (None: there is none)."""

    uuid: str
    name: str
    staff_number: str
    code_until: datetime | None


def page(session: Session, actor: Actor, row: WebSession, now: datetime) -> ProofPage:
    """Where this person stands, at this browser. Two queries at most."""
    require(actor, Permission.PROOF_GIVE, own(actor))
    rows = _rows(session, actor)
    is_here = row.proved_at is not None and is_proved(row, now)
    return ProofPage(
        is_needed=actor.is_guessable,
        proved_until=row.proved_at + PROOF_HOLDS if is_here and row.proved_at is not None else None,
        has_word=_newest(rows) is not None,
        has_code=any(_holds(one, now) for one in rows),
    )


def by_word(session: Session, actor: Actor, row: WebSession, typed: str, now: datetime) -> None:
    """The person types their 签字口令. Raises Invalid `word` for another one, Refused `proof.too_many` after five wrong
    ones in ten minutes. A wrong one is counted: the caller keeps that."""
    require(actor, Permission.PROOF_GIVE, own(actor))
    rows = _rows(session, actor, locks=True)
    tries.must_be_few(session, _who(actor), MOST_TRIES, "proof.too_many", now)
    known = _newest(rows)
    if known is None or not _fits(typed, known.word_hash):
        tries.note(session, _who(actor), now)
        raise Invalid({"word": "proof.word_wrong"})
    _proved(session, row, now)


def by_code(session: Session, actor: Actor, row: WebSession, typed: str, now: datetime) -> None:
    """The person types the 确认码 that they were given; it is used up. Raises Invalid `code` for another one, and for
    one that is over, Refused as `by_word`."""
    require(actor, Permission.PROOF_GIVE, own(actor))
    rows = _rows(session, actor, locks=True)
    tries.must_be_few(session, _who(actor), MOST_TRIES, "proof.too_many", now)
    code = _code_as_kept(typed)
    given = next((one for one in rows if _holds(one, now) and _fits(code, one.code_hash)), None)
    if given is None:
        tries.note(session, _who(actor), now)
        raise Invalid({"code": "proof.code_wrong"})
    given.code_hash = ""
    session.add(given)
    _proved(session, row, now)


def by_invitation(session: Session, actor: Actor, row: WebSession, code: str, now: datetime) -> Role:
    """Takes a role (`invitations.accept_invitation`). Who holds the one-time code was handed it: a proof too."""
    require(actor, Permission.INVITATION_ACCEPT, own(actor))
    role = invitations.accept_invitation(session, actor, code, now)
    if actor.is_guessable:
        _proved(session, row, now)
    return role


def choose_word(session: Session, actor: Actor, first: str, again: str, now: datetime) -> None:
    """A 签字口令, new or instead of another one. Only for who has proved themselves: Refused `proof.needed`.

    Raises Invalid `first` for one that is too short, too long or easily guessed, `again` where it was mistyped.
    """
    require(actor, Permission.PROOF_SET, own(actor))
    person = humans.today_of(session, get(session, Person, actor.person_id))
    if not SHORTEST <= len(first) <= LONGEST:
        raise Invalid({"first": ("proof.word_length", {"least": SHORTEST, "most": LONGEST})})
    if _is_plain(first, (person.name, person.staff_number)):
        raise Invalid({"first": "proof.word_plain"})
    if first != again:
        raise Invalid({"again": "proof.word_differs"})
    rows = _rows(session, actor, locks=True)
    row = next((one for one in rows if one.person_id == actor.person_id), None)
    row = row or SigningWord(person_id=actor.person_id, tenant_id=actor.tenant_id)
    row.word_hash, row.set_at = _hashed(first), now
    session.add(row)
    session.flush()


def code_page(session: Session, actor: Actor, uuid: str, now: datetime) -> CodePage:
    """Whom a 确认码 would be for. Raises Forbidden for oneself, for who is out of reach, and for who may do what the
    actor may not give: a school lead's code must not open the county's seal."""
    person = _within_reach(session, actor, uuid)
    row = session.get(SigningWord, pk(person))
    until = row.code_at + CODE_HOLDS if row is not None and row.code_at is not None and _holds(row, now) else None
    return CodePage(person.uuid, person.name, person.staff_number, until)


def give_code(session: Session, actor: Actor, uuid: str, now: datetime) -> str:
    """A one-time code that the person gets from the actor, face to face or by telephone; the one before it works no
    more. Shown once: only its hash is kept. Raises Forbidden as `code_page`."""
    person = _within_reach(session, actor, uuid)
    code = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(2))
    row = session.get(SigningWord, pk(person), with_for_update=True)
    row = row or SigningWord(person_id=pk(person), tenant_id=actor.tenant_id)
    row.code_hash, row.code_by_id, row.code_at = _hashed(_code_as_kept(code)), actor.person_id, now
    session.add(row)
    session.flush()
    return code


def _within_reach(session: Session, actor: Actor, uuid: str) -> Person:
    person = humans.today_of(session, find(session, Person, actor.tenant_id, uuid))
    require(actor, Permission.PROOF_CODE, person_scope(session, person))
    for role in sessions.as_actor(session, person).roles:
        if role.is_provisional or role.kind is RoleKind.TEACHER:
            continue
        gives = Permission.PROOF_CODE if role.kind is RoleKind.PANEL else Permission.ROLE_INVITE
        held = frozenset({role.course_id} if role.course_id is not None else ())
        require(actor, gives, Scope(actor.tenant_id, unit_paths=(role.unit_path,), course_ids=held))
    return person


def _rows(session: Session, actor: Actor, *, locks: bool = False) -> Sequence[SigningWord]:
    """Those of all rows of this human being. Locked, so that guesses that come at once are counted one by one."""
    wanted = select(SigningWord).where(col(SigningWord.person_id).in_(actor.person_ids))
    wanted = wanted.order_by(col(SigningWord.person_id))
    return session.exec(wanted.with_for_update() if locks else wanted).all()


def _newest(rows: Sequence[SigningWord]) -> SigningWord | None:
    """The word that holds: after a merge the one that was set last."""
    told = [(one.set_at, one.person_id, one) for one in rows if one.word_hash and one.set_at is not None]
    return max(told)[-1] if told else None


def _holds(row: SigningWord, now: datetime) -> bool:
    return bool(row.code_hash) and row.code_at is not None and now < row.code_at + CODE_HOLDS


def _proved(session: Session, row: WebSession, now: datetime) -> None:
    row.proved_at = now
    session.add(row)
    session.flush()


def _who(actor: Actor) -> str:
    return f"proof:{actor.person_id}"


def _code_as_kept(typed: str) -> str:
    return "".join(sign for sign in typed.upper() if sign.isalnum())


def _is_plain(word: str, names: Sequence[str]) -> bool:
    """Whether somebody who knows the person would try this first: a run of one or of neighbouring signs, or little more
    than the name or 工号."""
    plain = word.casefold()
    steps = {ord(after) - ord(before) for before, after in pairwise(plain)}
    if steps <= {0} or steps <= {1} or steps <= {-1} or len(set(plain)) <= 2:
        return True
    known = [name.casefold() for name in names if len(name) > 1]
    return any(len(plain.replace(name, "")) < 4 for name in known if name in plain)


def _hashed(secret: str) -> str:
    salt = secrets.token_bytes(16)
    return f"scrypt.{salt.hex()}.{_scrypt(secret, salt).hex()}"


def _fits(secret: str, hashed: str) -> bool:
    _kind, salt, kept = hashed.split(".")
    return hmac.compare_digest(_scrypt(secret, bytes.fromhex(salt)), bytes.fromhex(kept))


def _scrypt(secret: str, salt: bytes) -> bytes:
    n, r, p = _COST
    return hashlib.scrypt(secret.encode(errors="replace"), salt=salt, n=n, r=r, p=p, maxmem=64 * 1024 * 1024, dklen=32)
