"""From text that browsers send to typed values, and how long lists are cut into pages."""


def whole(text: str | None, otherwise: int, least: int = 1, most: int = 100_000) -> int:
    """A whole number within bounds; `otherwise` where it is none."""
    try:
        value = int(text or "")
    except ValueError:
        return otherwise
    return min(max(value, least), most)


def pages(lines: int, size: int = 50) -> int:
    """How many pages so many lines fill, at least one."""
    return max(1, -(-lines // size))
