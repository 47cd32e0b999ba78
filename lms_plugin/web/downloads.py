"""Sheets that are sent: written to a temporary file that nobody else sees, then streamed under a Chinese name."""

import re
import tempfile
from collections.abc import Sequence

from flask import send_file
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin.flow import sheets
from lms_plugin.web import formats
from lms_plugin.web.edge import edge
from lms_plugin.web.formats import gettext as _

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def seal_page(seal: competencies.Head | None) -> sheets.Page:
    """The last page of every workbook that tells of hours or results: up to where the ledger was sealed then."""
    heads = [
        sheets.Column(_("学时台账封存到第几次"), 12, "number"),
        sheets.Column(_("封存时间"), 18),
        sheets.Column(_("校验值（SHA-256）"), 70),
    ]
    rows = () if seal is None else ((seal.number, formats.stamp(seal.sealed_at, edge().timezone), seal.hash),)
    return sheets.Page(_("台账封存"), heads, rows)


def workbook(name: str, pages: Sequence[sheets.Page]) -> BaseResponse:
    """A workbook as a download. `name` may hold any character: it travels by RFC 5987, without what paths forbid."""
    target = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it after the last byte
    sheets.write(target, pages)
    target.seek(0)
    safe = re.sub(r'[\\/:*?"<>|\s]+', "_", name)[:80]
    return send_file(target, mimetype=XLSX, as_attachment=True, download_name=f"{safe}.xlsx", max_age=None)
