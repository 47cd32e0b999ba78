"""Entries of the ledger as they stand. Whatever somebody wrote into one past the product, an auditor sees it: what
cannot be read is named with what stands there, and the rest is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

import competencies
from competencies import CreditEntry

COLUMNS = (
    *("id", "uuid", "kind", "credit_hundredths", "reason", "source", "earned_on", "import_key", "entered_at"),
    *("programme_id", "person_id", "award_id", "reverses_id"),
)
_KINDS = frozenset(kind.value for kind in competencies.CreditKind)
_MAY_BE_EMPTY = frozenset({"earned_on", "import_key", "award_id", "reverses_id"})
_LONGEST = 200

T = TypeVar("T")


@dataclass(frozen=True)
class Written:
    """An entry as it stands. `number`: its id, as seals name it. What cannot be read is empty (None of amount, moment
    and whose it is) and stands in `damaged`: column → what is there."""

    number: int
    uuid: str
    kind: str
    hundredths: int | None
    reason: str
    source: str
    earned_on: date | None
    entered_at: datetime | None
    import_key: str
    programme_id: int | None
    person_id: int | None
    award_id: int | None
    reverses_id: int | None
    damaged: Mapping[str, str]


def columns() -> list[Any]:
    """The columns of an entry as the driver gives them, for a select within `db.as_it_stands`."""
    return competencies.raw(CreditEntry, *COLUMNS)


def of_ids(ids: Any) -> Any:
    """The condition that an entry is one of these."""
    return col(CreditEntry.id).in_(ids)


def written(values: Mapping[str, Any]) -> Written:
    """An entry from its columns, whatever stands in them."""
    damaged: dict[str, str] = {}

    def read(name: str, how: Callable[[Any], T | None]) -> T | None:
        value = values[name]
        if value is None and name in _MAY_BE_EMPTY:
            return None
        found = how(value)
        if found is None:
            damaged[name] = as_shown(value)
        return found

    kind = read("kind", lambda value: value if isinstance(value, str) and value in _KINDS else None)
    return Written(
        number=values["id"],
        uuid=read("uuid", _text) or "",
        kind=kind or "",
        hundredths=read("credit_hundredths", _whole),
        reason=read("reason", _text) or "",
        source=read("source", _text) or "",
        earned_on=read("earned_on", _day),
        entered_at=read("entered_at", moment),
        import_key=read("import_key", _text) or "",
        programme_id=read("programme_id", _whole),
        person_id=read("person_id", _whole),
        award_id=read("award_id", _whole),
        reverses_id=read("reverses_id", _whole),
        damaged=damaged,
    )


def as_shown(value: Any) -> str:
    """Whatever it is, as text that a page can carry."""
    shown = value if isinstance(value, str) else repr(value)
    return shown[:_LONGEST].encode("utf-8", "backslashreplace").decode()


def unless_damaged(read: Callable[[], T], otherwise: T) -> tuple[T, bool]:
    """What a part of the page reads, and whether it could be read: rows around an entry may have been edited too."""
    try:
        return read(), True
    except (SQLAlchemyError, ValueError, TypeError, LookupError, AttributeError):
        return otherwise, False


def _text(value: Any) -> str | None:
    try:
        return value if isinstance(value, str) and value.encode() is not None else None
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _day(value: Any) -> date | None:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def moment(value: Any) -> datetime | None:
    """A moment as either driver gives it, None for what is none."""
    if isinstance(value, str):  # SQLite keeps instants as text
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return None
