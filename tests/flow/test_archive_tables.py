"""Rows of an archive pass in lists that a machine of any size can hold."""

from hypothesis import given
from hypothesis import strategies as st

from lms_plugin.flow import archive_tables
from lms_plugin.flow.archive_tables import MOST_LETTERS, batches

ROWS = st.lists(
    st.builds(
        lambda count, one: {"id": count, "entries": "x" * count, "note": one}, st.integers(0, 400_000), st.none()
    ),
    max_size=30,
)


@given(rows=ROWS, size=st.integers(1, 12))
def test_all_rows_come_in_their_order_few_or_short_at_a_time(rows: list[dict[str, object]], size: int) -> None:
    lists = list(batches(rows, size))
    assert [row for some in lists for row in some] == rows
    for some in lists:
        assert 0 < len(some) <= size
        assert sum(len(str(row["entries"])) for row in some[:-1]) < MOST_LETTERS


def test_a_list_is_as_long_as_its_rows_are_short() -> None:
    long = [{"entries": "x" * 75_000} for _ in range(40)]
    assert max(map(len, archive_tables.batches(long, 500))) == 14  # a megabyte
    assert [len(some) for some in archive_tables.batches([{"entries": "x"}] * 1001, 500)] == [500, 500, 1]
