"""互评: the reviewer's list and page, and the page of the allotment."""

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
import rubrics
from lms_plugin.access import Permission, can, somewhere
from lms_plugin.db import find
from lms_plugin.errors import Conflict, Invalid, Refused
from lms_plugin.flow import appeal_review, calibration, claims, conflicts, review, review_tasks, review_views
from lms_plugin.web import formats, marks, messages
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import pages, whole

blueprint = Blueprint("review", __name__)
TYPED = ("review.save", "review.submit")  # whose refusals show what was typed
_OVER = frozenset({"review.void", "review.recused", "review.declined", "review.already_submitted"})
LEADS_ON = _OVER | {"review.claim_unfinished"}  # refusals after which there is something else to review


@blueprint.get("/reviews")
def mine() -> str:
    """还要评几份，约多少分钟."""
    return render_template(
        "review/list.html",
        tasks=review_tasks.my_reviews(db(), actor(), edge().now),
        appeals=appeal_review.tasks(db(), actor()),
        offers=claims.offers(db(), actor(), edge().now),
    )


@blueprint.get("/reviews/<uuid>")
def page(uuid: str) -> str | BaseResponse:
    """One work to review. Seeing it is written down: from now on its author cannot withdraw it. Where it turns out to
    have been an example, what it came to."""
    try:
        row = review.open_review(db(), actor(), uuid, edge().now)
    except Refused as refused:
        if refused.code != "calibration.first":
            raise
        db().rollback()
        return redirect(url_for("calibration.training", first=1), 303)
    if row.state is rubrics.ReviewState.VOID and calibration.is_done(db(), actor(), uuid):
        return redirect(url_for("calibration.feedback", uuid=uuid), 303)
    return _render(review_views.review_page(db(), actor(), uuid), {})


def _render(view: review_views.ReviewPage, errors: dict[str, str]) -> str:
    return render_template(
        "review/page.html",
        view=view,
        errors=errors,
        first_error=marks.first_error(view.items, errors),
        choices=lambda line: marks.choices(
            line, view.level_words, with_words=marks.FOR_PEERS, languages=formats.languages_in(view.point_name)
        ),
        level_word=lambda level, is_validity: marks.level_word(level, is_validity, view.level_words),
    )


@blueprint.post("/reviews/<uuid>/marks")
def save(uuid: str) -> Response | BaseResponse | tuple[str | Response, int]:
    """Autosave, and "save" without JavaScript."""
    drafts = marks.drafts_of(request.form)
    try:
        saved = review.save(db(), actor(), uuid, drafts, _version(), edge().now)
    except Conflict as conflict:
        return _conflict(uuid, conflict)
    except Invalid as error:
        return _refused(uuid, drafts, error)
    if _wants_json():
        return jsonify(version=saved.version, saved_at=saved.saved_at.isoformat())
    return redirect(url_for("review.page", uuid=uuid), 303)


@blueprint.post("/reviews/<uuid>/submit")
def submit(uuid: str) -> BaseResponse | tuple[str | Response, int]:
    """Hands the review in; what is missing is said beside its criterion and nothing typed is lost."""
    drafts = marks.drafts_of(request.form)
    try:
        review.submit(db(), actor(), uuid, drafts, _version(), edge().now)
    except Conflict as conflict:
        return _conflict(uuid, conflict)
    except Invalid as error:
        return _refused(uuid, drafts, error)
    return redirect(url_for("review.page", uuid=uuid), 303)


def _wants_json() -> bool:
    return request.headers.get("Accept", "").startswith("application/json")


def _refused(uuid: str, drafts: rubrics.Drafts, error: Invalid) -> tuple[str | Response, int]:
    """What is wrong beside each field, with everything that was typed."""
    db().rollback()
    told = messages.field_errors(error)
    if _wants_json():
        fields = {f"{marks.REASON}{field}": sentence for field, sentence in told.items()}
        return jsonify(error=error.code, message=next(iter(told.values())), fields=fields), error.status
    return _render(review_views.review_page(db(), actor(), uuid, drafts), told), error.status


def way_on(code: str) -> dict[str, str]:
    """What a reviewer can do whose review is over by the time they save it, for the page that says so and shows what
    they typed; and who is to finish one before they claim another."""
    way = {"link_label": _("看还要评的"), "link_url": url_for("review.mine")}
    if request.endpoint in TYPED and code in _OVER:
        way["who"] = _("对您没有影响，不用再做什么。刚才写的要留着，请复制。")
    return way


def _conflict(uuid: str, conflict: Conflict) -> tuple[str, int]:
    """Both versions side by side; the person chooses."""
    db().rollback()
    if "theirs" not in conflict.params:
        raise conflict
    mine, theirs = conflict.params["mine"], conflict.params["theirs"]
    view = review_views.review_page(db(), actor(), uuid, {})
    rows = [
        (line, item, mine.get(key, rubrics.DraftMark(None)), theirs.get(key, rubrics.DraftMark(None)))
        for item in view.items
        for line in item.criteria
        for key in [rubrics.MarkKey(*line.field.split(".", 1))]
    ]
    fragment = request.headers.get("X-Nengli-Autosave") == "1" or (
        "HX-Request" in request.headers and "HX-Boosted" not in request.headers
    )
    return (
        render_template(
            "review/_conflict.html" if fragment else "review/conflict.html",
            view=view,
            rows=[row for row in rows if row[2] != row[3]],
            mine=mine,
            version=conflict.params["version"],
            word=lambda level, is_validity: marks.level_word(level, is_validity, view.level_words),
            fragment=fragment,
        ),
        409,
    )


@blueprint.post("/reviews/<uuid>/recuse")
def recuse(uuid: str) -> BaseResponse:
    """我认识作者，申请回避."""
    review.recuse(db(), actor(), uuid, edge().now)
    return redirect(url_for("review.mine"), 303)


@blueprint.get("/reviews/allocation/<programme>")
def allocation(programme: str) -> str:
    """How reviews are allotted, what is missing, why, and what to do; and what the button would do."""
    row = find(db(), competencies.Programme, actor().tenant_id, programme)
    view = review_views.allocation_page(db(), actor(), row, edge().now)
    may_replay = can(actor(), Permission.PROGRAMME_READ, somewhere(actor()))
    return render_template("review/allocation.html", view=view, may_replay=may_replay)


@blueprint.post("/reviews/allocation/<programme>")
def allocate(programme: str) -> BaseResponse:
    """现在分配."""
    row = find(db(), competencies.Programme, actor().tenant_id, programme)
    review.allocate(db(), actor(), row, None, edge().now)
    return redirect(url_for("review.allocation", programme=programme), 303)


@blueprint.route("/reviews/conflicts", methods=["GET", "POST"])
def apart() -> BaseResponse | tuple[str, int]:
    """回避关系: who does not review whom."""
    status, told, typed = 200, {}, conflicts.Said("", "", "")
    if request.method == "POST":
        typed = conflicts.Said(*(request.form.get(name, "") for name in ("one", "other", "kind", "note")))
        try:
            conflicts.keep_apart(db(), actor(), typed, edge().now)
            return redirect(url_for("review.apart", saved=1), 303)
        except Invalid as error:
            db().rollback()
            told, status = messages.field_errors(error), error.status
    page = whole(request.args.get("page"), 1)
    rows, total = conflicts.pairs(db(), actor(), page)
    view = {"typed": typed, "errors": told, "rows": rows, "total": total, "kinds": _kinds()}
    paged = {"page": page, "pages": pages(total, conflicts.SIZE), "address": url_for("review.apart")}
    return render_template("review/conflicts.html", saved="saved" in request.args, **view, **paged), status


def _kinds() -> list[tuple[str, str]]:
    """Why two people are kept apart, in words."""
    return [
        ("family", _("亲属")),
        ("line", _("上下级")),
        ("together", _("一起做的材料")),
        ("other", _("其他")),
    ]


@blueprint.post("/reviews/conflicts/<uuid>/end")
def end_apart(uuid: str) -> BaseResponse:
    """They may review each other again."""
    conflicts.end(db(), actor(), uuid, edge().now)
    return redirect(url_for("review.apart"), 303)


def _version() -> int:
    # "keep" is the button under both versions: the person has seen the newer one and chosen their own.
    return whole(request.form.get("keep") or request.form.get("version"), 0)
