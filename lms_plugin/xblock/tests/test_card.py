"""Numbers, lines and names: rules without a block."""

from datetime import UTC, datetime

import pytest
from nengli_xblock import compat
from nengli_xblock.card import line, number, one_line

PROGRAMME = "0123456789abcdef0123456789abcdef"
AT = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0"), (2, "2"), (6.25, "6.25"), (12.5, "12.5"), (1 / 3, "0.33"), (100, "100")]
)
def test_numbers_are_written_as_people_write_them(value: float, words: str) -> None:
    assert number(value) == words


def test_a_line_never_divides_by_nothing() -> None:
    assert line(1, 0, AT) is None
    assert line(None, 3, AT) is None
    assert line(9, 3, None) == {"given": "9", "maximum": "3", "percent": 100, "at": ""}
    assert one_line("a" * 5000) == "a" * 200


def test_names_of_columns_fit_the_consumers_field() -> None:
    assert len(compat.column_name(PROGRAMME, compat.POINTS)) <= 50
    assert compat.column_name("", compat.HOURS) == ""
