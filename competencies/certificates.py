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
from competencies.certificate_models import Certificate, CertificateEnd, CertificateTerms, SealUse, UnitSeal
from competencies.models import CreditEntry, CreditKind, LedgerUnsealed
from lms_plugin.db import pk, table

for _kind in (Certificate, CertificateEnd, CertificateTerms, UnitSeal, SealUse):
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
    """What a certificate says of the ledger: hundredths of each kind of which there are any, and the entries that make
    them up."""

    hours: tuple[tuple[CreditKind, int], ...]
    entries: tuple[int, ...]

    @property
    def is_empty(self) -> bool:
        """Nothing to certify: no hours of any kind (what was taken back altogether leaves entries, not hours)."""
        return not self.hours


def statement(entries: Collection[CreditEntry]) -> Statement:
    """What these entries, all of one person in one programme, come to; kinds in the order of `CreditKind`."""
    totals = dict.fromkeys(CreditKind, 0)
    for entry in entries:
        totals[entry.kind] += entry.credit_hundredths
    hours = tuple((kind, total) for kind, total in totals.items() if total > 0)
    return Statement(hours, tuple(sorted(pk(one) for one in entries)))


def said_by(certificate: Certificate) -> Statement:
    """What a certificate says."""
    hours = tuple((kind, certificate.hours[kind.value]) for kind in CreditKind if kind.value in certificate.hours)
    return Statement(hours, tuple(sorted(certificate.entries)))


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
    now = dict(statement(entries).hours)
    is_less = any(now.get(kind, 0) < total for kind, total in said_by(certificate).hours)
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


def seal_of(session: Session, org_unit_id: int) -> UnitSeal | None:
    """The picture of a unit's seal as it counts now, None where there is none. One query."""
    row = session.exec(
        select(UnitSeal).where(UnitSeal.org_unit_id == org_unit_id).order_by(col(UnitSeal.id).desc()).limit(1)
    ).first()
    return row if row is not None and row.image else None


def seal_on(session: Session, certificate: Certificate) -> UnitSeal | None:
    """The seal that was put on a certificate. One query."""
    return session.exec(
        select(UnitSeal)
        .join(SealUse, col(SealUse.unit_seal_id) == col(UnitSeal.id))
        .where(SealUse.certificate_id == pk(certificate))
    ).one_or_none()


def seals_on(session: Session, certificate_ids: Collection[int]) -> dict[int, bytes]:
    """Certificate → the picture of the seal that was put on it. One query."""
    rows = session.exec(
        select(SealUse.certificate_id, UnitSeal.image)
        .join(UnitSeal, col(UnitSeal.id) == col(SealUse.unit_seal_id))
        .where(col(SealUse.certificate_id).in_(certificate_ids))
    )
    return dict(rows.all())
