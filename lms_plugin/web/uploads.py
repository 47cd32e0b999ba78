"""Files in: the tus 1.0 protocol with creation and termination, and plain forms for browsers without script.

No transaction is open while bytes travel: who asks is checked, the transaction ends, bytes go to disk, a new one opens.
"""

import base64
import binascii
import re
import tempfile
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, make_response, redirect, request, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin import media
from lms_plugin.db import writes
from lms_plugin.errors import Conflict, NotFound, Refused
from lms_plugin.flow import drafts, uploads
from lms_plugin.web import typed
from lms_plugin.web.edge import BEARER_HEADER, COOKIE, actor, commit, db, edge, is_somebody, parts
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import whole
from lms_plugin.web.slots import sentence_of
from lms_plugin.web.submit import photos_page, refused_files

blueprint = Blueprint("uploads", __name__)
VERSION = "1.0.0"
SLOT = re.compile(r"([0-9a-f]{32})-([A-Za-z0-9_-]{1,64})")
MB = 1024 * 1024
PLAIN_FORM_MB = 512  # of one form without script; with script a file comes in parts and may be larger
PLAIN_FORMS = frozenset({"uploads.files", "uploads.photos"})


@blueprint.before_app_request
def take_in() -> None:
    """Forms with files are taken in before the request's transaction begins: a slow line must not hold up writers.

    What comes is bounded (MAX_CONTENT_LENGTH) and goes to a temporary file; who sends it is checked right after. Forms
    of evidence may be larger, after a look at who sends them. What is too large stays unread: it is refused when it is
    known whom the page of the refusal is for.
    """
    if request.mimetype != "multipart/form-data" or not (COOKIE in request.cookies or BEARER_HEADER in request.headers):
        return
    size, most = request.content_length or 0, request.max_content_length or 0
    if request.endpoint in PLAIN_FORMS and size > most and is_somebody():
        request.max_content_length = most = PLAIN_FORM_MB * MB
    if size > most:
        typed.leave_unread()
        return
    _ = request.files


def way_on(endpoint: str) -> dict[str, Any]:
    """For the page that refuses a form of evidence as too large: the way back to where its files were chosen."""
    work = request.view_args or {}
    is_photos = endpoint == "uploads.photos"
    page = url_for("submit.photos", **work) if is_photos else url_for("submit.point", submission=work["submission"])
    return {"link_label": _("回到这个能力点"), "link_url": page}


def _most() -> int:
    return parts().settings.upload_max_mb * MB


def _tus(status: int, **headers: str) -> Response:
    response = Response(status=status)
    response.headers["Tus-Resumable"] = VERSION
    response.headers["Cache-Control"] = "no-store"
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return response


def _wrong_version() -> Response | None:
    if request.headers.get("Tus-Resumable") == VERSION:
        return None
    return _tus(412, Tus_Version=VERSION)


def _whole(header: str) -> int:
    text = request.headers.get(header, "")
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise Refused("upload.header", header=header)
    return int(text)


def _metadata() -> dict[str, str]:
    found = {}
    for pair in request.headers.get("Upload-Metadata", "").split(","):
        name, _, value = pair.strip().partition(" ")
        try:
            found[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Refused("upload.header", header="Upload-Metadata") from error
    return found


@blueprint.route("/uploads", methods=["OPTIONS"], provide_automatic_options=False)
def options() -> Response:
    """What this server can do."""
    return _tus(204, Tus_Version=VERSION, Tus_Extension="creation,termination", Tus_Max_Size=str(_most()))


@blueprint.post("/uploads")
def create() -> Response:
    """Opens an upload. Metadata: filename, slot ("<submission uuid>-<requirement key>") or both apart, and `more`
    where it is not the first of the files that somebody chose at once."""
    if (refused := _wrong_version()) is not None:
        return refused
    told = _metadata()
    slot = SLOT.fullmatch(told.get("slot", "") or f"{told.get('submission', '')}-{told.get('requirement', '')}")
    if slot is None:
        raise NotFound
    file = uploads.begin(
        db(),
        actor(),
        parts().storage,
        slot[1],
        slot[2],
        told.get("filename", ""),
        _whole("Upload-Length"),
        _most(),
        edge().now,
        is_first="more" not in told,
    )
    return _tus(201, Location=url_for("uploads.status", file=file.uuid), Upload_Offset="0")


@blueprint.route("/uploads/<file>", methods=["HEAD"])
def status(file: str) -> Response:
    """How far an upload got."""
    found = uploads.incoming(db(), actor(), file)
    return _tus(200, Upload_Offset=str(found.received(parts().storage)), Upload_Length=str(found.size_bytes))


@blueprint.route("/uploads/<file>", methods=["PATCH"])
def patch(file: str) -> Response:
    """One part. The last one has the file looked into; what is wrong with it shows at its place on the page."""
    if (refused := _wrong_version()) is not None:
        return refused
    if request.mimetype != "application/offset+octet-stream":
        return _tus(415)
    offset = _whole("Upload-Offset")
    found = uploads.incoming(db(), actor(), file)
    commit()
    if not found.is_open:
        return _tus(204, Upload_Offset=str(found.size_bytes))
    request.max_content_length = None  # a part is bounded by the declared length of the file
    size = parts().storage.write_part(found.storage_key, offset, request.stream, found.size_bytes)
    _arrived(found, size)
    return _tus(204, Upload_Offset=str(size))


@blueprint.delete("/uploads/<file>")
def cancel(file: str) -> Response:
    """Gives an unfinished upload up."""
    key = uploads.cancel(db(), actor(), file)
    if key is not None:
        commit()
        parts().storage.delete(key)
    return _tus(204)


def _arrived(found: uploads.Incoming, size: int) -> None:
    """Bytes have arrived: the page is told how many, and a whole file is looked into, outside of any transaction."""
    examined = found.examine(parts().storage) if size >= found.size_bytes else None
    writes(db())
    if examined is None:
        uploads.note_progress(db(), actor(), found.uuid, size)
    else:
        uploads.finish(db(), actor(), found.uuid, examined, edge().now)
    commit()


def _whole_file(
    submission: str, key: str, path: Path, filename: str, *, is_first: bool = True, replacing: Collection[str] = ()
) -> str:
    """A file that lies here whole goes the same way as one that came in parts; gives its uuid."""
    writes(db())
    file = uploads.begin(
        db(),
        actor(),
        parts().storage,
        submission,
        key,
        filename,
        path.stat().st_size,
        _most(),
        edge().now,
        is_first=is_first,
        replacing=replacing,
    )
    found = uploads.incoming(db(), actor(), file.uuid)
    commit()
    storage = parts().storage
    with path.open("rb") as stream:
        start = storage.size(found.storage_key)
        stream.seek(start)
        size = storage.write_part(found.storage_key, start, stream, found.size_bytes)
    _arrived(found, size)
    return file.uuid


def _kept(stack: ExitStack, given: FileStorage) -> Path:
    path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nengli-"))) / "given"
    given.save(path)
    return path


def _back(submission: str, key: str) -> BaseResponse:
    return redirect(url_for("submit.point", submission=submission) + f"#slot-{submission}-{key}", 303)


@blueprint.post("/submissions/<submission>/<key>/files")
def files(submission: str, key: str) -> BaseResponse:
    """Files by a plain form, for browsers without script."""
    drafts.load_work(db(), actor(), submission).open_item(key)
    if told := _take(submission, key):
        return refused_files(submission, {key: told})
    return _back(submission, key)


def _take(submission: str, key: str) -> list[str]:
    """Takes the files of a plain form, each by itself: a bad one does not cost the good ones. Gives what to say of
    those that were refused before they were looked into; what is wrong inside a file shows at its place."""
    commit()
    given = [one for one in request.files.getlist("file") if one.filename]
    if not given:
        return [sentence_of(Refused("upload.nothing_chosen"))]
    told = []
    with ExitStack() as stack:
        for number, one in enumerate(given):
            try:
                _whole_file(submission, key, _kept(stack, one), one.filename or "", is_first=number == 0)
            except (NotFound, Conflict):
                raise
            except Refused as error:
                db().rollback()
                told.append(f"{media.clean_filename(one.filename or '')}{_('：')}{sentence_of(error)}")
    return told


@blueprint.post("/submissions/<submission>/<key>/photos")
def photos(submission: str, key: str) -> BaseResponse:
    """Photos of a handwritten page by a plain form: the good ones stay in the item, whatever is wrong with others."""
    if not drafts.load_work(db(), actor(), submission).open_item(key).takes("image"):
        raise Refused("evidence.kind_not_taken")
    if told := _take(submission, key):
        return make_response(photos_page(submission, key, told), 422)
    return redirect(url_for("submit.photos", submission=submission, key=key), 303)


@blueprint.post("/submissions/<submission>/<key>/photos/join")
def join(submission: str, key: str) -> BaseResponse:
    """The photos that got a page number become one PDF, to be read in one go; it takes their place."""
    numbers = {
        name.removeprefix("page."): whole(value, 0, 0, 99)
        for name, value in request.form.items()
        if name.startswith("page.") and value.strip()
    }
    refs = sorted(numbers, key=lambda ref: numbers[ref])  # equal numbers keep the order of the page
    photos = uploads.photos_to_join(db(), actor(), submission, key, refs)
    commit()
    if not photos:
        return make_response(photos_page(submission, key, [sentence_of(Refused("upload.no_page"))]), 422)
    with ExitStack() as stack:
        target = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nengli-"))) / "photos.pdf"
        media.photos_to_pdf([parts().storage.path(photo.storage_key) for photo in photos], target)
        made = _whole_file(submission, key, target, "手写稿.pdf", replacing=refs)
    writes(db())
    uploads.replace_files(db(), actor(), submission, key, refs, made, edge().now)
    return _back(submission, key)


@blueprint.post("/submissions/<submission>/<key>/pieces/<ref>/strike")
def strike(submission: str, key: str, ref: str) -> BaseResponse:
    """遮去: takes the author's own name, number and school out of a text or a file; the old file is not touched."""
    if ref == "text":
        uploads.redact_text(db(), actor(), submission, key, edge().now)
        return _back(submission, key)
    planned = uploads.redaction(db(), actor(), submission, key, ref)
    commit()
    path, name, extension = planned.make(parts().storage)
    try:
        stem = name.rpartition(".")[0] or name
        made = _whole_file(submission, key, path, f"{stem}.{extension}", replacing=[ref])
    finally:
        path.unlink(missing_ok=True)
    writes(db())
    uploads.replace_files(db(), actor(), submission, key, [ref], made, edge().now)
    return _back(submission, key)


@blueprint.post("/submissions/<submission>/<key>/pieces/<ref>/check")
def check(submission: str, key: str, ref: str) -> BaseResponse:
    """Looks into a file whose last byte came but whose check was cut off."""
    drafts.load_work(db(), actor(), submission).open_item(key).piece(ref)
    found = uploads.incoming(db(), actor(), ref)
    commit()
    if found.is_open:
        _arrived(found, parts().storage.size(found.storage_key))
    return _back(submission, key)
