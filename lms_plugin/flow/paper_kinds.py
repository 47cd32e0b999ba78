"""学时证明 (of a programme, of a cycle) and 工作量证明 as the unit's seal and a unit's ZIP take them: whatever they do,
they do with all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, true
from sqlmodel import Session, col

import competencies
from competencies import Programme, Standing
from lms_plugin.db import by_id, find, get, pk
from lms_plugin.flow import (
    certificate_paper,
    certificate_sheet,
    cycle_certificates,
    sheets,
    workload_paper,
    workloads,
)
from lms_plugin.people import Tenant

Ids = set[int]
Pages = dict[int, str]


@dataclass(frozen=True)
class Lot:
    """Papers of a kind that belong together: those of a programme or, where `programme` is None, those of a cycle."""

    tenant_id: int
    programme: Programme | None
    years: cycle_certificates.Years | None

    @property
    def key(self) -> str:
        """As addresses name it."""
        return self.programme.uuid if self.programme is not None else self.years.text if self.years is not None else ""

    @property
    def title(self) -> str:
        """As files and officers' pages name it."""
        if self.programme is not None:
            return self.programme.title
        return cycle_certificates.title_of(self.years) if self.years is not None else ""

    def has(self, kind: Any) -> ColumnElement[bool]:
        """The condition by which rows of a table of papers, or of bundles of them, are of it."""
        if self.programme is not None:
            return and_(col(kind.programme_id) == pk(self.programme))
        first, last = self.years or (0, 0)
        return and_(col(kind.tenant_id) == self.tenant_id, col(kind.first_year) == first, col(kind.last_year) == last)

    def columns(self) -> dict[str, Any]:
        """What a row that is of it keeps."""
        if self.programme is not None:
            return {"programme_id": pk(self.programme)}
        first, last = self.years or (0, 0)
        return {"first_year": first, "last_year": last}


@dataclass(frozen=True)
class PaperKind:
    """A kind of paper. `word` names it on files; `columns`, `counted`: what the list in a ZIP says of one, besides
    whose it is; `is_one`: which rows of its table are of it; `holding`: those of some papers of a lot, none ended, that
    still say what is so; `pages`: these as they are put on paper, by id."""

    name: str
    word: str
    tables: competencies.papers.Kind
    columns: tuple[sheets.Column, ...]
    counted: Callable[[Any], tuple[Any, ...]]
    number_of: Callable[[Any, str], str]
    is_one: ColumnElement[bool]
    holding: Callable[[Session, Lot, Sequence[Any]], Ids]
    pages: Callable[[Session, Lot, Sequence[Any], str], Pages]


def _certificates_that_hold(session: Session, _lot: Lot, found: Sequence[Any]) -> Ids:
    """Three queries."""
    entries = certificate_sheet.ledger_of(session, found)
    return {pk(one) for one in found if _says_so(one, entries[pk(one)])}


def _says_so(certificate: competencies.Certificate, entries: Sequence[competencies.CreditEntry]) -> bool:
    return competencies.certificates.standing(certificate, False, entries) is Standing.VALID


def _certificate_pages(session: Session, lot: Lot, found: Sequence[Any], public_url: str) -> Pages:
    """Eight queries."""
    entries = certificate_sheet.ledger_of(session, found)
    programmes = by_id(session, Programme, sorted({one.programme_id for theirs in entries.values() for one in theirs}))
    seals = competencies.papers.seals_on(session, competencies.certificates.KIND, [pk(one) for one in found])
    numbers = certificate_sheet.rule_numbers(session, programmes)
    timezone, where = get(session, Tenant, lot.tenant_id).timezone, f"{public_url}/v"
    pages = {}
    for one in found:
        theirs = entries[pk(one)]
        if _says_so(one, theirs):
            named = [entry for entry in theirs if pk(entry) in set(one.entries)]
            sheet = certificate_sheet.printed(one, named, numbers, programmes, timezone)
            pages[pk(one)] = certificate_paper.page(sheet, f"{where}/{one.code}", where, seals.get(pk(one), b""))
    return pages


def _statements_that_hold(session: Session, lot: Lot, found: Sequence[Any]) -> Ids:
    """Five queries."""
    standing = workloads.standings(session, lot.programme, found) if lot.programme is not None else {}
    return {pk(one) for one in found if standing[pk(one)] is Standing.VALID}


def _statement_pages(session: Session, lot: Lot, found: Sequence[Any], public_url: str) -> Pages:
    """Six queries."""
    holding = _statements_that_hold(session, lot, found)
    seals = competencies.papers.seals_on(session, competencies.workloads.KIND, holding)
    timezone, where = get(session, Tenant, lot.tenant_id).timezone, f"{public_url}/v"
    return {
        pk(one): workload_paper.page(
            one, workloads.number_of(one, timezone), timezone, f"{where}/{one.code}", where, seals.get(pk(one), b"")
        )
        for one in found
        if pk(one) in holding
    }


CERTIFICATES = PaperKind(
    name="certificates",
    word="学时证明",
    tables=competencies.certificates.KIND,
    columns=(sheets.Column("学时", 8, "hours"), sheets.Column("学分", 8, "hours")),
    counted=lambda one: (sum(one.hours.values()), competencies.certificates.credit_points_of(one) or None),
    number_of=certificate_sheet.number_of,
    is_one=col(competencies.Certificate.programme_id).is_not(None),
    holding=_certificates_that_hold,
    pages=_certificate_pages,
)
CYCLES = replace(
    CERTIFICATES, name="cycles", word="周期学时证明", is_one=col(competencies.Certificate.programme_id).is_(None)
)
STATEMENTS = PaperKind(
    name="statements",
    word="工作量证明",
    tables=competencies.workloads.KIND,
    columns=tuple(sheets.Column(workload_paper.KINDS[kind][0], 10) for kind in competencies.workloads.KINDS),
    counted=lambda one: tuple(one.work.get(kind, 0) for kind in competencies.workloads.KINDS),
    number_of=workloads.number_of,
    is_one=true(),
    holding=_statements_that_hold,
    pages=_statement_pages,
)
KINDS = {kind.name: kind for kind in (CERTIFICATES, CYCLES, STATEMENTS)}


def lot_of(session: Session, tenant_id: int, kind: PaperKind, key: str) -> Lot:
    """The lot of an address: the programme of that uuid, or the cycle of those years. Raises NotFound."""
    if kind is CYCLES:
        return Lot(tenant_id, None, cycle_certificates.years_typed(key))
    return Lot(tenant_id, find(session, Programme, tenant_id, key), None)
