"""学时证明: what the ledger says of a person, on paper, under a number and a code by which anybody can check it.

A certificate is never changed. Whether it still holds is told anew each time, from its end and from the ledger.
"""

import enum
import re
import secrets
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from competencies import papers
from competencies.certificate_models import Certificate, CertificateEnd, CertificateTerms, SealUse, UnitSeal
from competencies.hours import credit_points
from competencies.models import CreditEntry, CreditKind, LedgerUnsealed
from lms_plugin.append_only import guard, refusing
from lms_plugin.db import pk, table

for _kind in (Certificate, CertificateEnd, CertificateTerms, UnitSeal, SealUse):
    guard(_kind, refusing(table(_kind).name))

KIND = papers.Kind(Certificate, CertificateEnd, SealUse, "certificate_id")

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
    """What these entries, all of one person in one programme or cycle, come to; kinds in the order of `CreditKind`."""
    totals = dict.fromkeys(CreditKind, 0)
    for entry in entries:
        totals[entry.kind] += entry.credit_hundredths
    hours = tuple((kind, total) for kind, total in totals.items() if total > 0)
    return Statement(hours, tuple(sorted(pk(one) for one in entries)))


def said_by(certificate: Certificate) -> Statement:
    """What a certificate says."""
    hours = tuple((kind, certificate.hours[kind.value]) for kind in CreditKind if kind.value in certificate.hours)
    return Statement(hours, tuple(sorted(certificate.entries)))


class Years(NamedTuple):
    """A cycle of years, both ends in it."""

    first: int
    last: int

    @property
    def text(self) -> str:
        """As addresses and files name it."""
        return f"{self.first}-{self.last}"


def years_of(certificate: Certificate) -> Years | None:
    """The cycle of which a certificate is; None of one of a programme."""
    if certificate.first_year is None or certificate.last_year is None:
        return None
    return Years(certificate.first_year, certificate.last_year)


@dataclass(frozen=True, slots=True)
class Part:
    """What one programme brought to a certificate of a cycle: hundredths of each kind of which there are any. `paper`:
    the 文号 by which; `per`: hundredths of a 学时 that make one 学分 by its rules, 0 = not counted so."""

    title: str
    paper: str
    hours: tuple[tuple[CreditKind, int], ...]
    per: int

    @property
    def credit_points(self) -> int:
        """学分 in hundredths, rounded down."""
        return credit_points(sum(hundredths for _kind, hundredths in self.hours), self.per)

    def stored(self) -> dict[str, Any]:
        """As a certificate keeps it."""
        hours = {kind.value: hundredths for kind, hundredths in self.hours}
        return {"title": self.title, "paper": self.paper, "hours": hours, "per": self.per}


def parts_of(certificate: Certificate) -> tuple[Part, ...]:
    """What each programme brought to one of a cycle; () of one of a programme."""
    return tuple(
        Part(
            one["title"],
            one["paper"],
            tuple((kind, one["hours"][kind.value]) for kind in CreditKind if kind.value in one["hours"]),
            one["per"],
        )
        for one in certificate.parts or ()
    )


def credit_points_of(certificate: Certificate) -> int:
    """学分 that its hours make, in hundredths, rounded down; 0 where it says nothing of them. Of a cycle those of its
    programmes together, each by its own rules."""
    if certificate.parts is not None:
        return sum(part.credit_points for part in parts_of(certificate))
    return credit_points(sum(certificate.hours.values()), certificate.per_credit_point_hundredths or 0)


def standing(certificate: Certificate, is_ended: bool, entries: Collection[CreditEntry]) -> Standing:
    """Whether it holds, by all that the ledger has of the person in the programme, or in the cycle, now.

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


def terms_of_all(session: Session, programme_ids: Collection[int]) -> dict[int, CertificateTerms]:
    """The same for several programmes, of those of which somebody has said. One query."""
    rows = session.exec(
        select(CertificateTerms)
        .where(col(CertificateTerms.programme_id).in_(programme_ids))
        .order_by(col(CertificateTerms.id))
    )
    return {row.programme_id: row for row in rows}


def waiting_for_seal(session: Session, entries: Collection[int]) -> set[int]:
    """Which of these entries of the ledger lie under no seal yet. One query."""
    return set(session.exec(select(LedgerUnsealed.entry_id).where(col(LedgerUnsealed.entry_id).in_(entries))))


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
