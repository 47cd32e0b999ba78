"""学时证明 and 工作量证明 as the unit's seal and a unit's ZIP take them: whatever they do, they do with both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

import competencies
from competencies import Programme, Standing
from lms_plugin.db import get, pk
from lms_plugin.flow import certificate_paper, certificate_views, certificates, sheets, workload_paper, workloads
from lms_plugin.people import Tenant

Ids = set[int]
Pages = dict[int, str]


@dataclass(frozen=True)
class PaperKind:
    """A kind of paper. `word` names it on files; `columns`, `counted`: what the list in a ZIP says of one, besides
    whose it is; `holding`: those of some papers of a programme, none ended, that still say what is so; `pages`: these
    as they are put on paper, by id."""

    name: str
    word: str
    tables: competencies.papers.Kind
    columns: tuple[sheets.Column, ...]
    counted: Callable[[Any], tuple[Any, ...]]
    number_of: Callable[[Any, str], str]
    holding: Callable[[Session, Programme, Sequence[Any]], Ids]
    pages: Callable[[Session, Programme, Sequence[Any], str], Pages]


def _certificates_that_hold(session: Session, programme: Programme, found: Sequence[Any]) -> Ids:
    """Four queries."""
    entries = certificates.ledger_of(session, programme, found)
    return {pk(one) for one in found if _says_so(one, entries[pk(one)])}


def _says_so(certificate: competencies.Certificate, entries: Sequence[competencies.CreditEntry]) -> bool:
    return competencies.certificates.standing(certificate, False, entries) is Standing.VALID


def _certificate_pages(session: Session, programme: Programme, found: Sequence[Any], public_url: str) -> Pages:
    """Seven queries."""
    entries = certificates.ledger_of(session, programme, found)
    seals = competencies.papers.seals_on(session, competencies.certificates.KIND, [pk(one) for one in found])
    numbers = certificate_views.rule_numbers(session, pk(programme))
    timezone, where = get(session, Tenant, programme.tenant_id).timezone, f"{public_url}/v"
    pages = {}
    for one in found:
        theirs = entries[pk(one)]
        if _says_so(one, theirs):
            named = [entry for entry in theirs if pk(entry) in set(one.entries)]
            sheet = certificate_views.printed(one, named, numbers, timezone)
            pages[pk(one)] = certificate_paper.page(sheet, f"{where}/{one.code}", where, seals.get(pk(one), b""))
    return pages


def _statements_that_hold(session: Session, programme: Programme, found: Sequence[Any]) -> Ids:
    """Five queries."""
    standing = workloads.standings(session, programme, found)
    return {pk(one) for one in found if standing[pk(one)] is Standing.VALID}


def _statement_pages(session: Session, programme: Programme, found: Sequence[Any], public_url: str) -> Pages:
    """Six queries."""
    holding = _statements_that_hold(session, programme, found)
    seals = competencies.papers.seals_on(session, competencies.workloads.KIND, holding)
    timezone, where = get(session, Tenant, programme.tenant_id).timezone, f"{public_url}/v"
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
    number_of=certificate_views.number_of,
    holding=_certificates_that_hold,
    pages=_certificate_pages,
)
STATEMENTS = PaperKind(
    name="statements",
    word="工作量证明",
    tables=competencies.workloads.KIND,
    columns=tuple(sheets.Column(workload_paper.KINDS[kind][0], 10) for kind in competencies.workloads.KINDS),
    counted=lambda one: tuple(one.work.get(kind, 0) for kind in competencies.workloads.KINDS),
    number_of=workloads.number_of,
    holding=_statements_that_hold,
    pages=_statement_pages,
)
KINDS = {kind.name: kind for kind in (CERTIFICATES, STATEMENTS)}
