"""Files that a form brings for something that has several, each taken in by itself: a bad one costs no good one."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from flask import request

from lms_plugin import media
from lms_plugin.db import writes
from lms_plugin.errors import Conflict, Forbidden, NotFound, Refused
from lms_plugin.flow import plan_papers
from lms_plugin.web import messages
from lms_plugin.web.edge import commit, db, parts
from lms_plugin.web.formats import gettext as _


def taken_in(
    may_add: Callable[[], None],
    add: Callable[[plan_papers.PaperFile], object],
    accepted: list[str] = plan_papers.ACCEPTED_FILES,
    file_type: str = "plan.file_type",
) -> list[str]:
    """Asks before each file (`may_add`), looks into it while no transaction is open, and keeps it (`add`) in one of its
    own. Gives what to say of those that were not taken, and of a form without a file."""
    given = [one for one in request.files.getlist("file") if one.filename]
    told = [] if given else [messages.sentence("upload.nothing_chosen")]
    for one in given:
        name = one.filename or ""
        try:
            may_add()
            db().rollback()
            with tempfile.TemporaryDirectory(prefix="nengli-") as folder:
                path = Path(folder) / "given"
                one.save(path)
                file = plan_papers.taken_in(parts().storage, path, name, accepted, file_type)
            writes(db())
            add(file)
            commit()
        except (NotFound, Conflict, Forbidden):
            raise
        except Refused as error:
            db().rollback()
            told.append(f"{media.clean_filename(name)}{_('：')}{messages.sentence(error.code, error.params)}")
    return told
