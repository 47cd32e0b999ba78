"""Wrong codes and words are counted, so that nobody guesses on. What is written here has to be kept by the caller,
though it refuses: a try that is rolled back was never counted."""

from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlmodel import Session, col, func, select

from competencies import SignInTry
from lms_plugin.errors import Refused

WINDOW = timedelta(minutes=10)
KEPT = timedelta(days=1)


def must_be_few(session: Session, who: str, most: int, code: str, now: datetime) -> None:
    """Raises Refused with that code after `most` wrong ones of `who` within `WINDOW`."""
    count = session.exec(
        select(func.count()).select_from(SignInTry).where(SignInTry.who == who, SignInTry.tried_at > now - WINDOW)
    ).one()
    if count >= most:
        raise Refused(code, minutes=int(WINDOW.total_seconds()) // 60)


def note(session: Session, who: str, now: datetime) -> None:
    """One more wrong one of `who`; those of yesterday go."""
    session.execute(delete(SignInTry).where(col(SignInTry.tried_at) < now - KEPT))
    session.add(SignInTry(who=who, tried_at=now))
    session.flush()
