"""核验: anybody who holds a paper asks by its code whether it still counts. Nobody is signed in; nothing is written.

What is told is what stands on the paper, and less of it: no whole name, no school, no number of staff.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

import competencies
from competencies import Standing
from lms_plugin.db import get
from lms_plugin.flow import appealed, certificate_sheet, workloads
from lms_plugin.people import Tenant


@dataclass(frozen=True)
class Verified:
    """What the verification page says of a certificate. `since`: when it ended, or None."""

    code: str
    name: str
    title: str
    years: competencies.certificates.Years | None  # of a cycle; then `titles` are those of its programmes
    titles: tuple[str, ...]
    hours: certificate_sheet.Hours
    credit_points: int  # 学分 in hundredths, 0 where the paper says nothing of them
    issued_at: datetime
    timezone: str
    standing: Standing
    appealed: int  # awards that it counts and an appeal ended since
    since: datetime | None


def look_up(session: Session, typed: str) -> Verified | workloads.VerifiedWork | None:
    """The certificate, or the statement of work, of a code as it was typed or scanned; None for a code that nobody
    has, and for what is no code (without asking the database). Ten queries at most."""
    code = competencies.certificates.code_as_kept(typed)
    found = competencies.papers.of_code(session, competencies.certificates.KIND, code)
    if found is None:
        return workloads.look_up(session, code, masked)
    certificate, end = found
    return Verified(
        code=competencies.certificates.code_as_printed(certificate.code),
        name=masked(certificate.name),
        title=certificate.title,
        years=competencies.certificates.years_of(certificate),
        titles=tuple(part.title for part in competencies.certificates.parts_of(certificate)),
        hours=certificate_sheet.by_kind(competencies.certificates.said_by(certificate)),
        credit_points=competencies.certificates.credit_points_of(certificate),
        issued_at=certificate.issued_at,
        timezone=get(session, Tenant, certificate.tenant_id).timezone,
        standing=certificate_sheet.standing_of(session, certificate, end is not None),
        appealed=appealed.in_entries(session, certificate.entries),
        since=end.ended_at if end is not None else None,
    )


def masked(name: str) -> str:
    """陈* of 陈芳, 陈*芳 of 陈晓芳; of names in letters the first one of each word."""
    words = name.split()
    if any("a" <= letter.casefold() <= "z" for letter in name):
        return " ".join(f"{word[0]}***" for word in words)
    whole = "".join(words)
    if len(whole) < 3:
        return f"{whole[:1]}*" if len(whole) == 2 else "*"
    return f"{whole[0]}{'*' * (len(whole) - 2)}{whole[-1]}"
