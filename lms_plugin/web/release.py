"""发布: what will happen, three cases to look at, one button."""

import secrets
from datetime import UTC, datetime

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin.db import find
from lms_plugin.flow import award, award_views
from lms_plugin.web.edge import actor, db, edge, wake_worker
from lms_plugin.web.forms import whole

blueprint = Blueprint("release", __name__)


@blueprint.get("/release/<programme>")
def page(programme: str) -> str | BaseResponse:
    """Counts, a look at three, and what will happen in words."""
    row = find(db(), competencies.Programme, actor().tenant_id, programme)
    if row.goes_by_batch:
        return redirect(url_for("chain.county", programme=programme), 303)
    here = edge()
    view = award_views.release_page(db(), actor(), row, secrets.randbits(31), here.now)
    if isinstance(view, award.UnderWay):
        return render_template("release/under_way.html", programme=row, under=view)
    return render_template(
        "release/page.html",
        view=view,
        shown_at=here.now.isoformat(),
        done=whole(request.args.get("done"), 0, 0),
        credited=whole(request.args.get("credited"), 0, 0),
    )


@blueprint.post("/release/<programme>")
def release(programme: str) -> BaseResponse:
    """发布 exactly the works that the page counted."""
    row = find(db(), competencies.Programme, actor().tenant_id, programme)
    done = award.release(db(), actor(), row, request.form.getlist("case"), edge().now)
    wake_worker()
    return redirect(url_for("release.page", programme=programme, done=done.decisions, credited=len(done.credited)), 303)


@blueprint.post("/release/<programme>/all")
def release_all(programme: str) -> BaseResponse:
    """发布 everything that was decided when the page was shown, part by part; its page says how far it is."""
    row, now = find(db(), competencies.Programme, actor().tenant_id, programme), edge().now
    award.release_all(db(), actor(), row, _moment(request.form.get("shown_at", ""), now), now)
    wake_worker()
    return redirect(url_for("release.page", programme=programme), 303)


def _moment(text: str, latest: datetime) -> datetime:
    """When the page was shown, as its form says; `latest` where it says nothing that can be read."""
    try:
        found = datetime.fromisoformat(text)
        return min(found.astimezone(UTC), latest) if found.tzinfo is not None else latest
    except (ValueError, OverflowError):  # the year 1 in a zone east of Greenwich is before all years
        return latest


@blueprint.post("/release/<programme>/stop")
def stop(programme: str) -> BaseResponse:
    """No more of it is released; what was, stays."""
    row = find(db(), competencies.Programme, actor().tenant_id, programme)
    award.stop(db(), actor(), row, edge().now)
    return redirect(url_for("release.page", programme=programme), 303)
