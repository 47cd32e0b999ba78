"""What somebody typed into a form: shown again on the page that refuses it, acknowledged where it was taken."""

import re
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from flask import request
from werkzeug.wrappers import Response

from lms_plugin.web.edge import LAUNCH_ENDPOINTS, is_from_elsewhere
from lms_plugin.web.formats import gettext as _

R = TypeVar("R", bound=Response)
FREE_TEXT = re.compile(r"part\..+|r\..+|reason|declined|text|words|answer|remark|reply|url|[a-z0-9_.]+[._](?:zh|en)")
COPY = re.compile(r"[0-9-]{1,40}")
FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


def leave_unread() -> None:
    """The request was too large: its form is not taken apart for the page that says so."""
    request.environ["nengli.unread"] = True


def _is_form() -> bool:
    """Whether it is a form of our own pages: what a host posts has names of its own."""
    if request.endpoint in LAUNCH_ENDPOINTS:
        return False
    is_read = not request.environ.get("nengli.unread", False)
    return request.method == "POST" and request.mimetype in FORMS and is_read


def texts() -> list[tuple[str, str]]:
    """The free text of the refused form, numbered, to be copied from the page of the refusal.

    Not of what was too large to be read, nor of what another site had the browser send.
    """
    if not _is_form() or is_from_elsewhere():
        return []
    written = [value for name, value in request.form.items(multi=True) if FREE_TEXT.fullmatch(name) and value.strip()]
    return [(_("您写的第 %(number)s 段", number=number), value) for number, value in enumerate(written, start=1)]


def copy_name() -> str:
    """Under which name the device keeps its copy of this form (autosave.js); "" for none."""
    if not _is_form():
        return ""
    name = str(request.form.get("copy", ""))
    return name if COPY.fullmatch(name) else ""


def acknowledge(response: R) -> R:
    """The form was taken: the address it leads to says so, and only then the device drops its copy."""
    if 300 <= response.status_code < 400 and "Location" in response.headers and (name := copy_name()):
        where = urlsplit(response.headers["Location"])
        query = urlencode([*parse_qsl(where.query, keep_blank_values=True), ("kept", name)])
        response.headers["Location"] = urlunsplit(where._replace(query=query))
    return response
