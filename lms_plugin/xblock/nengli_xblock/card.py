"""What the card beside the tool says: taken from what is kept of a learner, asks nobody."""

from datetime import datetime
from typing import Any

NEXT_LONGEST = 200


def number(value: float) -> str:
    """A number as people write it: two digits after the point at most, and none that say nothing."""
    return f"{round(value, 2):.2f}".rstrip("0").rstrip(".")


def line(given: float | None, maximum: float | None, at: datetime | None) -> dict[str, Any] | None:
    """One of the card's lines; None where nothing has come yet."""
    if given is None or not maximum:
        return None
    return {
        "given": number(given),
        "maximum": number(maximum),
        "percent": round(100 * min(max(given / maximum, 0), 1)),
        "at": at.isoformat() if at else "",
    }


def one_line(words: object) -> str:
    """Words that came from a browser, as one line of text that is not too long."""
    if not isinstance(words, str):
        return ""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in words[:2000]).split())[:NEXT_LONGEST]
