"""分批: everybody gets one year, the district has its shares, schools nearly so, and who has a year keeps it."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from competencies.cohorts import Share, share_out

SHARES = (Share(2026, 30), Share(2027, 50), Share(2028, 20))
SIZES = st.lists(st.integers(0, 40), max_size=12)


def schools_of(sizes: list[int]) -> list[list[int]]:
    people = iter(range(1, sum(sizes) + 1))
    return [list(islice(people, size)) for size in sizes]


@given(SIZES, st.text(max_size=5))
def test_the_district_has_its_shares_and_each_school_nearly_its_own(sizes: list[int], seed: str) -> None:
    schools = schools_of(sizes)
    found = share_out(SHARES, schools, {}, seed)
    assert set(found) == {person for people in schools for person in people}
    for share in SHARES:
        for people, off in ((list(found), 1), *((people, 2) for people in schools)):
            called = sum(found[person] == share.year for person in people)
            assert abs(called - len(people) * share.percent / 100) < off
    assert share_out(SHARES, schools, {}, seed) == found


@given(SIZES, SIZES, st.text(max_size=5))
def test_who_has_a_year_keeps_it_and_newcomers_bring_the_shares_back(
    first: list[int], more: list[int], seed: str
) -> None:
    schools = schools_of([*first, *more])
    early = share_out(SHARES, schools[: len(first)], {}, seed)
    late = share_out(SHARES, schools, early, seed)
    assert not set(early) & set(late)
    both = {**early, **late}
    assert len(both) == sum(len(people) for people in schools)
    for share in SHARES:
        called = sum(year == share.year for year in both.values())
        assert abs(called - len(both) * share.percent / 100) < 1


def test_one_year_that_was_filled_by_hand_is_made_up_for_by_the_others() -> None:
    schools = schools_of([10])
    by_hand = dict.fromkeys(range(1, 6), 2028)
    found = share_out(SHARES, schools, by_hand, "x")
    years = sorted([*found.values(), *by_hand.values()])
    assert years.count(2028) == 5
    assert {years.count(2026), years.count(2027)} == {2, 3}
