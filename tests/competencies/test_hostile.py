"""Who administers the database against `nengli ledger verify`: triggers dropped, rows cut off at the end, the whole
chain written anew. Single edits are in test_seals."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, text

import competencies
from competencies import Fault
from lms_plugin.append_only import missing_guards
from lms_plugin.db import pk
from lms_plugin.flow import audit, digest, sealing
from tests import people as cast
from tests.factories import World
from tests.ledgers import add_entry, unguarded

Harm = Callable[[World, Connection], None]


@pytest.fixture
def noted(world: World) -> World:
    """Three seals of two entries each; an auditor drew under the last one."""
    for number in range(6):
        add_entry(world, 100 + number)
        if number % 2:
            competencies.seal(world.session, pk(world.tenant), world.now)
    wish = audit.Wish("", "", None, None, 3, "s", "k")
    audit.draw(world.session, world.actor(cast.AUDITOR), wish, world.now)
    return world


def found(world: World) -> list[str]:
    """Codes of what is told, each once, in order."""
    faults: list[Fault] = []
    sealing.prove(world.session, pk(world.tenant), faults.append)
    competencies.astray(world.session, faults.append)
    return sorted({fault.code.partition(".")[2] for fault in faults})


def cut_off(_world: World, connection: Connection) -> None:
    """The last seal with its entries, as if they had never been."""
    connection.execute(text("DELETE FROM credit_entry WHERE id > (SELECT max(id) - 2 FROM credit_entry)"))
    connection.execute(text("DELETE FROM ledger_seal WHERE number = 3"))


def write_anew(world: World, connection: Connection) -> None:
    """Another amount, and a chain that fits it."""
    connection.execute(text("UPDATE credit_entry SET credit_hundredths = 9900"))
    connection.execute(text("DELETE FROM ledger_seal"))
    connection.execute(text("INSERT INTO ledger_unsealed SELECT id FROM credit_entry"))
    while competencies.seal(world.session, pk(world.tenant), world.now):
        pass


def empty(_world: World, connection: Connection) -> None:
    """Nothing is left to compute."""
    for table in ("ledger_unsealed", "ledger_seal", "credit_entry"):
        connection.execute(text(f"DELETE FROM {table}"))


def take_the_district_away(world: World, connection: Connection) -> None:
    """Entries and seals that no look at a district comes past."""
    for table in ("credit_entry", "ledger_seal"):
        connection.execute(text(f"UPDATE {table} SET tenant_id = 900001"))
    connection.execute(text("DELETE FROM ledger_draw_event"))
    connection.execute(text("DELETE FROM ledger_draw"))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (cut_off, ["noted_gone"]),
        (write_anew, ["noted_gone"]),
        (empty, ["noted_gone"]),
        (take_the_district_away, ["of_nobody"]),
    ],
)
def test_what_leaves_a_chain_that_fits_is_found_all_the_same(noted: World, harm: Harm, told: list[str]) -> None:
    assert found(noted) == []
    connection = noted.session.connection()
    if connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
    with unguarded(connection):
        harm(noted, connection)
    assert found(noted) == told


def test_the_heads_of_mornings_show_what_was_cut_off(world: World) -> None:
    """A district that never drew and never made out a certificate has been told its head each morning all the same."""
    session, tenant_id = world.session, pk(world.tenant)
    for number in range(6):
        add_entry(world, 100 + number)
        if number % 2:
            competencies.seal(session, tenant_id, world.now)
    digest.say_head(session, world.tenant, world.now)
    assert found(world) == []
    with unguarded(session.connection()):
        cut_off(world, session.connection())
    assert found(world) == ["noted_gone"]
    session.connection().execute(text("UPDATE notice SET params = '[1]'"))  # nothing that anybody could read
    assert found(world) == []


def test_a_trigger_that_is_gone_or_does_nothing_is_named(noted: World) -> None:
    connection = noted.session.connection()
    assert missing_guards(noted.session) == []
    if connection.dialect.name == "sqlite":
        statements = {
            "DROP TRIGGER credit_entry_no_update": "credit_entry_no_update",
            "DROP TRIGGER credit_entry_unsealed": "credit_entry_unsealed",
            "DROP TRIGGER ledger_seal_no_delete": "ledger_seal_no_delete",
            "CREATE TRIGGER ledger_seal_no_delete AFTER INSERT ON ledger_seal "
            "BEGIN SELECT 1; END": "ledger_seal_no_delete",
        }
    else:
        statements = {
            "DROP TRIGGER credit_entry_no_change ON credit_entry": "credit_entry_no_change",
            "ALTER TABLE credit_entry DISABLE TRIGGER credit_entry_unsealed": "credit_entry_unsealed",
            "CREATE OR REPLACE FUNCTION ledger_seal_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RETURN NEW; END $$": "ledger_seal_append_only",
        }
    for statement, name in statements.items():
        connection.execute(text(statement))
        assert name in missing_guards(noted.session)
    assert found(noted) == ["guard_missing"]
