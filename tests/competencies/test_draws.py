"""抽查: a draw can be made again by whoever has the seed, and an entry's proof says what became of it."""

import hashlib
from datetime import timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import given
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

import competencies
from competencies import DrawScope, Fault, LedgerDraw, LedgerSeal, draw_entries, places, prove_chain, prove_entry
from lms_plugin import db
from lms_plugin.db import pk
from tests import people as cast
from tests.factories import World
from tests.ledgers import ENTRIES, SEALS, add_copy, add_entry, add_many, put, rows, unguarded


def seal(world: World) -> int:
    return competencies.seal(world.session, pk(world.tenant), world.now)


@given(st.text(max_size=20), st.integers(0, 400), st.integers(0, 60))
def test_places_are_distinct_within_bounds_and_a_longer_draw_begins_with_the_shorter(
    seed: str, population: int, wanted: int
) -> None:
    found = places(seed, population, wanted)
    assert len(set(found)) == len(found) == min(population, wanted)
    assert all(1 <= place <= population for place in found)
    assert places(seed, population, wanted + 5)[: len(found)] == found


def test_places_can_be_checked_by_hand() -> None:
    expected = [int(hashlib.sha256(f"公开的种子:{turn}".encode()).hexdigest(), 16) % 1000 + 1 for turn in (1, 2, 3)]
    assert places("公开的种子", 1000, 3) == expected


@given(st.integers(0, 2**32))
def test_every_entry_may_be_drawn(start: int) -> None:
    """Over many seeds each of ten places comes up: none is left out by the reckoning."""
    assert {places(f"{start}:{turn}", 10, 1)[0] for turn in range(300)} == set(range(1, 11))


def test_a_draw_stays_the_same_whatever_is_entered_and_sealed_later(world: World) -> None:
    add_many(world, 30)
    seal(world)
    waiting = pk(add_entry(world))
    scope = DrawScope(pk(world.tenant), 1)
    first = draw_entries(world.session, scope, "s", 12)
    assert first.population == 30
    assert len(set(first.entry_ids)) == 12
    connection = world.session.connection()
    late = {**rows(connection, ENTRIES)[-1], "id": waiting + 500, "uuid": db.new_uuid()}
    add_copy(connection, ENTRIES, late)
    seal(world)
    later = {**late, "id": waiting - 31, "uuid": db.new_uuid()}  # an older id that commits after the draw
    add_copy(connection, ENTRIES, later)
    assert draw_entries(world.session, scope, "s", 12) == first
    seal(world)
    assert draw_entries(world.session, scope, "s", 12) == first
    assert draw_entries(world.session, DrawScope(pk(world.tenant), 3), "s", 40).population == 33


def test_a_draw_keeps_to_its_scope(world: World) -> None:
    inside = pk(add_entry(world))
    connection = world.session.connection()
    row = rows(connection, ENTRIES)[-1]
    school = pk(world.schools["希望小学"])
    put_in = {**row, "id": inside + 1, "uuid": db.new_uuid(), "org_unit_id": school}
    add_copy(connection, ENTRIES, put_in)
    put_in = {**row, "id": inside + 2, "uuid": db.new_uuid(), "entered_at": world.now + timedelta(days=2)}
    add_copy(connection, ENTRIES, put_in)
    seal(world)
    of = DrawScope
    tenant, programme = pk(world.tenant), pk(world.programme)

    def drawn(scope: DrawScope) -> set[int]:
        return {entry - inside for entry in draw_entries(world.session, scope, "s", 9).entry_ids}

    assert drawn(of(tenant, 1)) == {0, 1, 2}
    assert drawn(of(tenant, 1, programme)) == {0, 1, 2}
    assert drawn(of(tenant, 1, programme + 1)) == set()
    assert drawn(of(tenant, 1, unit_ids=[school])) == {1}
    assert drawn(of(tenant, 1, unit_ids=[])) == set()
    assert drawn(of(tenant, 1, since_at=world.now + timedelta(days=1))) == {2}
    assert drawn(of(tenant, 1, until_at=world.now)) == set()
    assert drawn(of(tenant, 0)) == set()
    assert drawn(of(pk(world.person(cast.NEIGHBOUR)) * 0 + world.person(cast.NEIGHBOUR).tenant_id, 1)) == set()


def test_the_database_refuses_to_change_a_draw(world: World) -> None:
    draw = LedgerDraw(
        tenant_id=pk(world.tenant),
        drawn_by_id=pk(world.person(cast.AUDITOR)),
        drawn_at=world.now,
        seed="s",
        wanted=1,
        population=1,
        entry_ids=[1],
        seal_number=1,
        seal_hash="0" * 64,
    )
    world.session.add(draw)
    world.session.flush()
    draw.seed = "a better one"
    with pytest.raises(DBAPIError, match="append-only"), world.session.begin_nested():
        world.session.flush()


# --- the proof of one entry ---


def test_an_entry_is_proved_up_to_its_own_seal(world: World) -> None:
    first = pk(add_entry(world))
    seal(world)
    second = pk(add_entry(world, 200))
    assert prove_entry(world.session, pk(world.tenant), second).waits
    seal(world)
    proof = prove_entry(world.session, pk(world.tenant), second)
    newest = world.session.exec(select(LedgerSeal).order_by(col(LedgerSeal.number).desc())).first()
    assert newest is not None
    assert proof.seal is not None
    assert (proof.holds, proof.waits, proof.seal.number, proof.seal.hash) == (True, False, 2, newest.hash)
    assert prove_entry(world.session, pk(world.tenant), first).holds
    assert not prove_entry(world.session, pk(world.tenant), second + 9).is_there


def test_what_was_done_to_an_entry_or_before_it_is_told(world: World) -> None:
    first = pk(add_entry(world))
    seal(world)
    second = pk(add_entry(world))
    seal(world)
    connection, tenant = world.session.connection(), pk(world.tenant)
    entry = rows(connection, ENTRIES)[-1]
    one = rows(connection, SEALS)[0]
    with unguarded(connection):
        put(connection, ENTRIES, entry, {"credit_hundredths": 9900})
    changed = prove_entry(world.session, tenant, second)
    assert (changed.holds, changed.is_whole, changed.faults) == (False, False, [])
    with unguarded(connection):
        put(connection, ENTRIES, entry, {"credit_hundredths": entry["credit_hundredths"]})
        put(connection, SEALS, one, {"entries": one["entries"].replace(f"{first}:", f"{first + 77}:")})
    before = prove_entry(world.session, tenant, second)
    assert (before.holds, before.is_whole) == (True, True)
    assert before.faults == []  # the seal before has its hash still: only who computes the whole chain finds it
    noted = (before.seal.number, before.seal.hash) if before.seal is not None else (0, "")
    assert prove_chain(world.session, tenant, noted) == (2, [Fault("ledger.seal_changed", "1")])
    assert prove_entry(world.session, tenant, first).seal is None
    with unguarded(connection):
        add_copy(connection, ENTRIES, {**entry, "id": second + 40, "uuid": db.new_uuid()})
    put_in = prove_entry(world.session, tenant, second + 40)
    assert (put_in.is_there, put_in.waits, put_in.seal) == (True, False, None)
