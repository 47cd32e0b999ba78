"""培训材料: files of a training are sent from its page, each by itself, and taken out again."""

import tempfile
from pathlib import Path

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin import media
from lms_plugin.db import writes
from lms_plugin.errors import Conflict, Forbidden, NotFound, Refused
from lms_plugin.flow import plan_papers, training_files
from lms_plugin.web import messages
from lms_plugin.web.edge import actor, commit, db, edge, parts
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.trainings import shown

blueprint = Blueprint("training_files", __name__)


@blueprint.post("/trainings/<training>/files")
def add(training: str) -> BaseResponse | tuple[str, int]:
    """Files of one kind, each by itself: a bad one does not cost the good ones. No transaction is open meanwhile."""
    try:
        kind = competencies.training_files.TrainingFileKind(request.form.get("kind", ""))
    except ValueError:
        raise NotFound from None
    given = [one for one in request.files.getlist("file") if one.filename]
    told = [] if given else [messages.sentence("upload.nothing_chosen")]
    for one in given:
        name = one.filename or ""
        try:
            training_files.may_add(db(), actor(), training, kind)
            db().rollback()
            with tempfile.TemporaryDirectory(prefix="nengli-") as folder:
                path = Path(folder) / "given"
                one.save(path)
                file = plan_papers.taken_in(
                    parts().storage, path, name, training_files.ACCEPTED, training_files.FILE_TYPE
                )
            writes(db())
            training_files.add(db(), actor(), training, kind, file, edge().now)
            commit()
        except (NotFound, Conflict, Forbidden):
            raise
        except Refused as error:
            db().rollback()
            told.append(f"{media.clean_filename(name)}{_('：')}{messages.sentence(error.code, error.params)}")
    if told:
        return shown(training, {f"file.{kind.value}": " ".join(told)}, "")
    return redirect(url_for("trainings.page", training=training) + f"#files-{kind.value}", 303)


@blueprint.post("/trainings/<training>/files/<material>/remove")
def remove(training: str, material: str) -> BaseResponse:
    """Takes a file out."""
    training_files.remove(db(), actor(), training, material, edge().now)
    return redirect(url_for("trainings.page", training=training) + "#files", 303)
