"""学时证明: what the ledger says of a person, on paper, under a number and a code by which anybody can check it.

A certificate is never changed. Whether it still holds is told anew each time, from its end and from the ledger.
"""

import enum
import re
import secrets
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, func, select

from competencies.append_only import guard, refusing
from competencies.models import (
    Certificate,
    CertificateEnd,
    CertificateTerms,
    CreditEntry,
    CreditKind,
    LedgerUnsealed,
)
from lms_plugin.db import pk, table

for _kind in (Certificate, CertificateEnd, CertificateTerms):
    guard(_kind, refusing(table(_kind).name))

CODE_LENGTH = 12
"""Five bits each: who tries a thousand codes a second finds one of a million certificates after some decades."""
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_MISREAD = str.maketrans("ILO", "110")
_CODE = re.compile(f"[{_ALPHABET}]{{{CODE_LENGTH}}}")


def new_code() -> str:
    """A code that nobody can guess."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(CODE_LENGTH))


def code_as_kept(typed: str) -> str:
    """The code in what somebody typed or scanned: any case, blanks, dashes, O for 0, I and l for 1. "" for no code."""
    bare = re.sub(r"[\s\-‐-―]", "", unicodedata.normalize("NFKC", typed[:100])).upper().translate(_MISREAD)
    return bare if _CODE.fullmatch(bare) else ""


def code_as_printed(code: str) -> str:
    """In groups of four, as people read it out."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


class Standing(enum.Enum):
    """Whether a certificate still says what the ledger says."""

    VALID = "valid"
    CHANGED = "changed"  # hours that it counts were taken back since
    ENDED = "ended"  # taken back, or followed by a new one


@dataclass(frozen=True, slots=True)
class Statement:
    """What a certificate says of the ledger: hundredths of each kind, and the entries that make them up."""

    practice_hundredths: int
    online_hundredths: int
    entries: tuple[int, ...]

    @property
    def is_empty(self) -> bool:
        """Nothing to certify: no hours of either kind (what was taken back altogether leaves entries, not hours)."""
        return self.practice_hundredths <= 0 and self.online_hundredths <= 0


def statement(entries: Collection[CreditEntry]) -> Statement:
    """What these entries, all of one person in one programme, come to; of the two kinds that a certificate says."""
    totals = dict.fromkeys(CreditKind, 0)
    entries = [entry for entry in entries if entry.kind in {CreditKind.PRACTICE, CreditKind.ONLINE}]
    for entry in entries:
        totals[entry.kind] += entry.credit_hundredths
    return Statement(
        max(0, totals[CreditKind.PRACTICE]),
        max(0, totals[CreditKind.ONLINE]),
        tuple(sorted(pk(one) for one in entries)),
    )


def said_by(certificate: Certificate) -> Statement:
    """What a certificate says."""
    return Statement(certificate.practice_hundredths, certificate.online_hundredths, tuple(sorted(certificate.entries)))


def standing(certificate: Certificate, is_ended: bool, entries: Collection[CreditEntry]) -> Standing:
    """Whether it holds, by all that the ledger has of the person in the programme now.

    Changed: one of its entries is not theirs (a merge was undone) or was reversed, or less stands of a kind than it
    says (an award taken back and a merge are booked as entries of their own). More hours since then change nothing.
    """
    if is_ended:
        return Standing.ENDED
    counted = set(certificate.entries)
    if not counted <= {pk(entry) for entry in entries}:
        return Standing.CHANGED  # it was made out over rows that have turned out to be another person's
    if any(entry.reverses_id in counted and entry.id not in counted for entry in entries):
        return Standing.CHANGED
    now, said = statement(entries), said_by(certificate)
    is_less = now.practice_hundredths < said.practice_hundredths or now.online_hundredths < said.online_hundredths
    return Standing.CHANGED if is_less else Standing.VALID


def terms_of(session: Session, programme_id: int) -> CertificateTerms | None:
    """How a programme's certificates are given, None where nobody has said yet. One query."""
    return session.exec(
        select(CertificateTerms)
        .where(CertificateTerms.programme_id == programme_id)
        .order_by(col(CertificateTerms.id).desc())
        .limit(1)
    ).first()


def certificate_of_code(session: Session, code: str) -> tuple[Certificate, CertificateEnd | None] | None:
    """The certificate of that code (as `code_as_kept` gives it), whatever district it is of. One query."""
    if not code:
        return None
    return session.exec(
        select(Certificate, CertificateEnd)
        .join(CertificateEnd, col(CertificateEnd.certificate_id) == col(Certificate.id), isouter=True)
        .where(Certificate.code == code)
    ).one_or_none()


def certificates_of(
    session: Session, programme_id: int, person_ids: Collection[int]
) -> list[tuple[Certificate, CertificateEnd | None]]:
    """The certificates of these people in a programme, the newest first. One query."""
    return list(
        session.exec(
            select(Certificate, CertificateEnd)
            .join(CertificateEnd, col(CertificateEnd.certificate_id) == col(Certificate.id), isouter=True)
            .where(Certificate.programme_id == programme_id, col(Certificate.person_id).in_(person_ids))
            .order_by(col(Certificate.number).desc())
        )
    )


def next_number(session: Session, tenant_id: int) -> int:
    """The number of the district's next certificate; the caller holds the district's row."""
    last = session.exec(select(func.max(Certificate.number)).where(Certificate.tenant_id == tenant_id)).one()
    return (last or 0) + 1


def waiting_for_seal(session: Session, entries: Collection[int]) -> set[int]:
    """Which of these entries of the ledger lie under no seal yet. One query."""
    return set(session.exec(select(LedgerUnsealed.entry_id).where(col(LedgerUnsealed.entry_id).in_(entries))))


def end_certificate(
    session: Session,
    certificate: Certificate,
    ended_by_id: int,
    now: datetime,
    *,
    reason: str = "",
    followed_by_id: int | None = None,
) -> None:
    """It counts no more."""
    session.add(
        CertificateEnd(
            certificate_id=pk(certificate),
            followed_by_id=followed_by_id,
            reason=reason,
            ended_by_id=ended_by_id,
            ended_at=now,
        )
    )


def entries_named(session: Session, certificate: Certificate) -> Sequence[CreditEntry]:
    """The entries that it sums up, oldest first. One query."""
    return session.exec(
        select(CreditEntry)
        .where(CreditEntry.tenant_id == certificate.tenant_id, col(CreditEntry.id).in_(certificate.entries))
        .order_by(col(CreditEntry.id))
    ).all()
