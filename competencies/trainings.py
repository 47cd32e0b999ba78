"""What trainings (培训) go by: codes that change, codes of people, minutes that become hours, terms."""

import hashlib
import hmac
import secrets
from datetime import date, datetime
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

from competencies.models import CreditKind
from competencies.training_models import TrainingKind

STEP_SECONDS: Final = 30
"""So long a rotating code is shown. The one before it is taken too, for whoever was typing it."""
CODE_DIGITS: Final = 6
PASS_SECONDS: Final = 600
PERSONAL_LETTERS: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # none that is read as another one
PERSONAL_LENGTH: Final = 8
LONGEST_MINUTES: Final = 6000
"""More than 100 hours in one training is a slip of the keyboard."""

LEDGER_KIND: Final = {
    TrainingKind.ONLINE: CreditKind.ONLINE,
    TrainingKind.OFFLINE: CreditKind.OFFLINE,
    TrainingKind.SCHOOL_BASED: CreditKind.SCHOOL_BASED,
    TrainingKind.PRACTICE: CreditKind.PRACTICE,
}
"""Which kind of hours a training brings."""


def new_secret() -> str:
    """What a training's rotating codes derive from."""
    return secrets.token_hex(32)


def rotating_code(secret: str, now: datetime) -> str:
    """The six digits that are shown at this moment: HOTP (RFC 4226, with SHA-256) over 30-second steps, as in TOTP
    (RFC 6238)."""
    return _code_at(secret, _step(now))


def fits(secret: str, typed: str, now: datetime) -> bool:
    """Whether that is the code of this moment or of the step before."""
    if len(typed) != CODE_DIGITS or not (typed.isascii() and typed.isdigit()):
        return False
    step = _step(now)
    return any(hmac.compare_digest(_code_at(secret, one), typed) for one in (step, step - 1))


def seconds_left(now: datetime) -> int:
    """After so many seconds another code is shown, 1 to 30."""
    return STEP_SECONDS - int(now.timestamp()) % STEP_SECONDS


def entry_pass(secret: str, now: datetime) -> str:
    """For who scanned a code in time: good for PASS_SECONDS, however often the code changes meanwhile."""
    given = int(now.timestamp())
    return f"{given}-{_signed(secret, given)}"


def lets_in(secret: str, typed: str, now: datetime) -> bool:
    """Whether that is a pass of this training that is still good."""
    moment, _, signature = typed.partition("-")
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 12 and signature.isascii()):
        return False
    age = int(now.timestamp()) - int(moment)
    return 0 <= age <= PASS_SECONDS and hmac.compare_digest(_signed(secret, int(moment)), signature)


def _signed(secret: str, given: int) -> str:
    return hmac.new(bytes.fromhex(secret), f"pass:{given}".encode(), hashlib.sha256).hexdigest()


def _step(now: datetime) -> int:
    return int(now.timestamp()) // STEP_SECONDS


def _code_at(secret: str, step: int) -> str:
    return HOTP(bytes.fromhex(secret), CODE_DIGITS, SHA256()).generate(step).decode()


def personal_code(key: str, person_uuid: str, number: int) -> str:
    """The eight letters and digits of a person; `number` grows when they want another one."""
    seed = hmac.new(key.encode(), f"personal code:{person_uuid}:{number}".encode(), hashlib.sha256).digest()
    value, letters = int.from_bytes(seed), []
    for _ in range(PERSONAL_LENGTH):
        value, place = divmod(value, len(PERSONAL_LETTERS))
        letters.append(PERSONAL_LETTERS[place])
    return "".join(letters)


def personal_hash(key: str, code: str) -> str:
    """How a personal code is kept: who reads the database alone can try no codes on it."""
    return hmac.new(key.encode(), f"personal code:{code}".encode(), hashlib.sha256).hexdigest()


def personal_as_typed(text: str) -> str:
    """A personal code as people type it (small letters, blanks, a dash), as it is kept; "" for what cannot be one."""
    plain = "".join(text.upper().split()).replace("-", "")
    return plain if len(plain) == PERSONAL_LENGTH and set(plain) <= set(PERSONAL_LETTERS) else ""


def worth(minutes: int, minutes_per_hour: int) -> int:
    """Hundredths of a 学时 that so many minutes are worth, halves up: 90 minutes at 45 are 200."""
    return (200 * minutes + minutes_per_hour) // (2 * minutes_per_hour)


def term_of(day: date) -> tuple[date, date]:
    """First day of the term in which a day lies and of the next one: terms begin on 1 February and 1 August."""
    if day.month < 2:
        return date(day.year - 1, 8, 1), date(day.year, 2, 1)
    if day.month < 8:
        return date(day.year, 2, 1), date(day.year, 8, 1)
    return date(day.year, 8, 1), date(day.year + 1, 2, 1)


def ledger_key(attendance_uuid: str, time: int) -> str:
    """What names the attendance in its ledger entry (`CreditEntry.import_key`), and lets it be booked once: `time`
    counts its bookings, which differ by what was put right."""
    return f"training:{attendance_uuid}:{time}"
