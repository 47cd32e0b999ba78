"""Sheets that are sent: written to a temporary file that nobody else sees, then streamed under a Chinese name."""

import re
import tempfile
from collections.abc import Sequence

from flask import send_file
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.flow import sheets
from lms_plugin.web.formats import gettext as _

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def person_columns() -> list[sheets.Column]:
    """Whom a line is about, in every sheet of people that we send."""
    return [sheets.Column(_("姓名"), 12), sheets.Column(_("学校"), 24), sheets.Column(_("工号"), 14)]


def workbook(name: str, pages: Sequence[sheets.Page]) -> BaseResponse:
    """A workbook as a download. `name` may hold any character: it travels by RFC 5987, without what paths forbid."""
    target = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it after the last byte
    sheets.write(target, pages)
    target.seek(0)
    safe = re.sub(r'[\\/:*?"<>|\s]+', "_", name)[:80]
    return send_file(target, mimetype=XLSX, as_attachment=True, download_name=f"{safe}.xlsx", max_age=None)
