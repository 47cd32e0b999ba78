"""培训材料: files of a training are sent from its page, each by itself, and taken out again."""

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin.errors import NotFound
from lms_plugin.flow import training_files
from lms_plugin.web import given_files
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.trainings import shown

blueprint = Blueprint("training_files", __name__)


@blueprint.post("/trainings/<training>/files")
def add(training: str) -> BaseResponse | tuple[str, int]:
    """Files of one kind."""
    try:
        kind = competencies.training_files.TrainingFileKind(request.form.get("kind", ""))
    except ValueError:
        raise NotFound from None
    told = given_files.taken_in(
        lambda: training_files.may_add(db(), actor(), training, kind),
        lambda file: training_files.add(db(), actor(), training, kind, file, edge().now),
        training_files.ACCEPTED,
        training_files.FILE_TYPE,
    )
    if told:
        return shown(training, {f"file.{kind.value}": " ".join(told)}, "")
    return redirect(url_for("trainings.page", training=training) + f"#files-{kind.value}", 303)


@blueprint.post("/trainings/<training>/files/<material>/remove")
def remove(training: str, material: str) -> BaseResponse:
    """Takes a file out."""
    training_files.remove(db(), actor(), training, material, edge().now)
    return redirect(url_for("trainings.page", training=training) + "#files", 303)
