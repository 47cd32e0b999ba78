"""Where a launch happens whose host names no course: each activity (resource link) is a space of its own.

Core 1.3, 5.4.1: the context claim is optional. Launches without it have nothing in common but their deployment, which
may be a whole site: who teaches at one of its activities must not see who learns at another.
"""

import hashlib

_BEFORE = "link:"


def of_link(link_id: str) -> str:
    """What stands for the course of an activity that is in none, at most 255 characters; "" where there is no activity
    either."""
    if not link_id:
        return ""
    name = _BEFORE + link_id
    return name if len(name) <= 255 else _BEFORE + hashlib.sha256(link_id.encode()).hexdigest()


def is_course(context_id: str) -> bool:
    """Whether that is a course of the host, and not the space of one activity."""
    return bool(context_id) and not context_id.startswith(_BEFORE)
