"""`nengli ledger`: does the ledger still say what it said, and the hash to note down of what it says now."""

import sys

import click
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

import competencies
from lms_plugin.cli.checks import LANGUAGES
from lms_plugin.cli.common import act
from lms_plugin.db import as_it_stands, pk
from lms_plugin.errors import Refused
from lms_plugin.flow import people, sealing
from lms_plugin.people import Tenant
from lms_plugin.web.messages import sentence

MOST_TOLD = 100
SHORTEST_NOTED = 12
_TENANT = click.option("--tenant", "tenant_name", default="", help="Of one district only.")


@click.group()
def ledger() -> None:
    """The ledger of credit hours (学时台账) and its seals (封存)."""


@ledger.command("head")
@_TENANT
def head(tenant_name: str) -> None:
    """Print each district's newest seal: number, time, hash. Keep it where the database's keeper cannot write."""
    with act(is_writing=False) as (session, _, _now):
        for row in _districts(session, tenant_name):
            newest = competencies.head(session, pk(row))
            if newest is None:
                click.echo(f"{row.name}\t–")
            else:
                click.echo(f"{row.name}\t{newest.number}\t{newest.sealed_at:%Y-%m-%dT%H:%M:%SZ}\t{newest.hash}")


@ledger.command("verify")
@_TENANT
@click.option("--head", "noted", default="", help="A hash noted earlier (or its first 12 digits): is it still there?")
def verify(tenant_name: str, noted: str) -> None:
    """Compute all seals again from the entries that stand; says what was changed, deleted or put in. Exit code 1 when
    something was."""
    noted = noted.strip().lower()
    is_found, are_whole = not noted, True
    with act(is_writing=False) as (session, _, _now), as_it_stands(session):
        if noted and (len(noted) < SHORTEST_NOTED or not set(noted) <= set("0123456789abcdef")):
            raise Refused("ledger.not_a_hash", least=SHORTEST_NOTED)
        for row in _districts(session, tenant_name):
            told = Told()
            try:
                with session.begin_nested():  # what cannot be read in one district holds up no other
                    proof = sealing.prove(session, pk(row), told.tell, noted)
            except (SQLAlchemyError, ValueError, TypeError) as error:
                told.rest()
                _say_in_both("✗ ", "ledger.unreadable", {"name": row.name, "kind": type(error).__name__})
                are_whole = False
                continue
            is_found = is_found or bool(proof.noted_in)
            _say(row.name, proof, told, noted)
            are_whole = are_whole and not told.count
        others = Told()
        competencies.astray(session, others.tell)
        others.rest()
    if not is_found:
        _say_in_both("✗ ", "ledger.head_unknown", {"hash": noted})
    if not (is_found and are_whole) or others.count:
        sys.exit(1)


class Told:
    """Faults, said as they are found; of very many only the first."""

    def __init__(self) -> None:
        self.count = 0

    def tell(self, fault: competencies.Fault) -> None:
        """Says one."""
        self.count += 1
        if self.count <= MOST_TOLD:
            _say_in_both("✗ ", fault.code, {"seals": fault.seals or "–", "entry": fault.entry})

    def rest(self) -> None:
        """Says how many were left out."""
        if self.count > MOST_TOLD:
            _say_in_both("✗ ", "ledger.more_faults", {"count": self.count - MOST_TOLD})


def _say(name: str, proof: competencies.Proof, told: Told, noted: str) -> None:
    told.rest()
    params = {
        "name": name,
        "seals": proof.seals_hold,
        "all_seals": proof.seals,
        "entries": proof.entries_hold,
        "waiting": proof.waiting,
    }
    _say_in_both("✗ " if told.count else "✓ ", "ledger.broken" if told.count else "ledger.holds", params)
    if noted and proof.noted_in:
        _say_in_both("✓ ", "ledger.head_known", {"number": proof.noted_in, "name": name})
    if proof.head:
        click.echo(f"    {proof.head}")


def _say_in_both(mark: str, code: str, params: dict[str, object]) -> None:
    told = [sentence(code, params, language) for language in LANGUAGES]
    click.echo(f"{mark}{told[0]}\n  {told[1]} [{code}]")


def _districts(session: Session, name: str) -> list[Tenant]:
    if name:
        return [people.tenant_named(session, name)]
    return list(session.exec(select(Tenant).order_by(col(Tenant.id))))
