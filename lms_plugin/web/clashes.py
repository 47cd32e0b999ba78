"""Two who change one thing at once: the later one sees what stands now, with what they typed."""

from collections.abc import Callable

from sqlalchemy.orm.exc import StaleDataError

from lms_plugin.errors import Conflict
from lms_plugin.web.edge import db


def is_clash(code: str, act: Callable[[], object]) -> bool:
    """Does it, and says whether somebody else was first (Conflict `code`, or a row that changed under it): then nothing
    of it stays. Everything else that it raises goes on."""
    try:
        act()
        db().flush()  # a row that changed meanwhile shows here, not after the answer is made
    except StaleDataError:
        db().rollback()
        return True
    except Conflict as clash:
        if clash.code != code:
            raise
        db().rollback()
        return True
    return False
