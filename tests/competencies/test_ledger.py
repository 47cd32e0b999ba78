"""The ledger: sums are exact, nothing is changed, the database itself refuses to."""

from datetime import date

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import func, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

import competencies
from competencies import CreditEntry, CreditKind, OnlineHours
from lms_plugin.db import pk
from lms_plugin.errors import Invalid, Refused
from tests import people as cast
from tests.factories import World
from tests.fuzzing import times


def basis(world: World) -> competencies.Basis:
    return competencies.Basis(world.programme.policy_id or 0, decided_by_id=pk(world.person(cast.TRAINER)))


def enter(world: World, who: cast.Cast, hundredths: int, kind: CreditKind = CreditKind.PRACTICE) -> CreditEntry:
    return competencies.credit(
        world.session,
        pk(world.tenant),
        pk(world.programme),
        pk(world.person(who)),
        kind,
        hundredths,
        basis(world),
        world.now,
    )


def online(world: World, who: cast.Cast, hundredths: int, source: str = "国家平台") -> OnlineHours:
    return OnlineHours(pk(world.person(who)), hundredths, source, date(2026, 10, 1))


def take_in(world: World, rows: list[OnlineHours]) -> competencies.Imported:
    return competencies.import_online(
        world.session,
        pk(world.tenant),
        pk(world.programme),
        world.programme.policy_id or 0,
        rows,
        pk(world.person(cast.OFFICER)),
        world.now,
    )


amounts = st.lists(
    st.tuples(
        st.sampled_from([cast.CHEN, cast.WANG]),
        st.sampled_from(list(CreditKind)),
        st.integers(-500_000, 500_000).filter(bool),
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=times(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=amounts)
def test_the_balance_is_the_exact_sum_and_a_reversal_takes_exactly_its_entry_away(
    world: World, entries: list[tuple[cast.Cast, CreditKind, int, bool]]
) -> None:
    people = [pk(world.person(cast.CHEN)), pk(world.person(cast.WANG))]
    with world.session.begin_nested() as savepoint:
        expected = {person: dict.fromkeys(CreditKind, 0) for person in people}
        written = 0
        for who, kind, hundredths, is_reversed in entries:
            entry = enter(world, who, hundredths, kind)
            written += 1
            if is_reversed:
                competencies.reverse(world.session, entry, pk(world.person(cast.OFFICER)), "录入有误", world.now)
                written += 1
            else:
                expected[pk(world.person(who))][kind] += hundredths
        assert competencies.balance(world.session, pk(world.programme), people) == expected
        count = world.session.exec(
            select(func.count(col(CreditEntry.id))).where(CreditEntry.programme_id == pk(world.programme))
        ).one()
        assert count == written
        savepoint.rollback()


def test_an_entry_is_reversed_once_and_a_reversal_never(world: World) -> None:
    entry = enter(world, cast.CHEN, 2500)
    officer = pk(world.person(cast.OFFICER))
    reversal = competencies.reverse(world.session, entry, officer, "重复计算", world.now)
    assert (reversal.credit_hundredths, reversal.reverses_id, reversal.source) == (-2500, pk(entry), "重复计算")
    with pytest.raises(Refused, match=r"credit\.already_reversed"):
        competencies.reverse(world.session, entry, officer, "再来一次", world.now)
    with pytest.raises(Refused, match=r"credit\.is_reversal"):
        competencies.reverse(world.session, reversal, officer, "反过来", world.now)


def test_an_entry_of_nothing_is_not_written(world: World) -> None:
    with pytest.raises(ValueError, match="nothing"):
        enter(world, cast.CHEN, 0)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE credit_entry SET credit_hundredths = 1",
        "DELETE FROM credit_entry",
        "INSERT INTO credit_entry SELECT * FROM credit_entry WHERE true ON CONFLICT (id) DO UPDATE SET kind = 'online'",
        "REPLACE INTO credit_entry SELECT * FROM credit_entry",
    ],
)
def test_the_database_refuses_to_change_the_ledger(world: World, statement: str) -> None:
    enter(world, cast.CHEN, 2500)
    knows = world.session.get_bind().dialect.name == "sqlite" or not statement.startswith("REPLACE")
    with pytest.raises(DBAPIError, match="append-only" if knows else "syntax error"), world.session.begin_nested():
        world.session.connection().execute(text(statement))
    assert competencies.balance(world.session, pk(world.programme), [pk(world.person(cast.CHEN))]) == {
        pk(world.person(cast.CHEN)): {**dict.fromkeys(CreditKind, 0), CreditKind.PRACTICE: 2500}
    }


def test_an_import_run_twice_adds_once(world: World) -> None:
    rows = [online(world, cast.CHEN, 1200), online(world, cast.WANG, 800), online(world, cast.CHEN, 300)]
    assert (len(take_in(world, rows).added), take_in(world, rows).known) == (3, 3)
    again = take_in(world, [*rows, online(world, cast.LI, 100), online(world, cast.LI, 100, " 国家平台 ")])
    assert (len(again.added), again.known) == (1, 4)
    chen = pk(world.person(cast.CHEN))
    assert competencies.balance(world.session, pk(world.programme), [chen])[chen][CreditKind.ONLINE] == 1500


def test_imported_hours_do_not_mix_with_practice(world: World) -> None:
    take_in(world, [online(world, cast.CHEN, 1200)])
    enter(world, cast.CHEN, 2500)
    chen = pk(world.person(cast.CHEN))
    assert competencies.balance(world.session, pk(world.programme), [chen])[chen] == {
        **dict.fromkeys(CreditKind, 0),
        CreditKind.PRACTICE: 2500,
        CreditKind.ONLINE: 1200,
    }


def test_a_reversed_row_stays_reversed_when_its_sheet_comes_again(world: World) -> None:
    (entry,) = take_in(world, [online(world, cast.CHEN, 1200)]).added
    competencies.reverse(world.session, entry, pk(world.person(cast.OFFICER)), "不属于本期", world.now)
    assert take_in(world, [online(world, cast.CHEN, 1200)]).added == ()
    chen = pk(world.person(cast.CHEN))
    assert competencies.balance(world.session, pk(world.programme), [chen])[chen][CreditKind.ONLINE] == 0


@pytest.mark.parametrize("hundredths", [0, -100, 1000_01])
def test_hours_out_of_range_name_their_row(world: World, hundredths: int) -> None:
    with pytest.raises(Invalid) as invalid:
        take_in(world, [online(world, cast.CHEN, 100), online(world, cast.WANG, hundredths)])
    assert list(invalid.value.fields) == ["rows.2"]
