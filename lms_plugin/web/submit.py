"""The teacher's own pages: home, choosing, one point, typed text, own marks, handing in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import (
    appeals,
    choose_view,
    courses,
    doors,
    drafts,
    notices,
    point_view,
    result_view,
    submit,
    submit_views,
    uploads,
    waiting_school,
)
from lms_plugin.web import category_form, marks, slots, uncertain
from lms_plugin.web.edge import actor, db, edge, parts
from lms_plugin.web.forms import whole

blueprint = Blueprint("submit", __name__)


@blueprint.get("/points")
def mine() -> BaseResponse | str:
    """我的能力点 of the programme that the person most likely means; a helpful page where there is none."""
    programme = submit_views.current_programme(db(), actor())
    if programme is None:
        return nothing()
    return redirect(url_for("submit.home", programme=programme), 303)


def nothing() -> str:
    """For who takes part in no programme (yet): why, and what helps."""
    course = edge().course
    waits = course is not None and course.programme_id is None and course.waiting_since_at is not None
    return render_template(
        "submit/nothing.html", course=course, is_told=waits and notices.officers_above(db(), actor())
    )


@blueprint.get("/programmes/<programme>")
def home(programme: str) -> str:
    """我的能力点."""
    return render_template(
        "submit/home.html",
        mine=submit_views.home(db(), actor(), programme, edge().now),
        others=courses.other_programmes(db(), actor(), programme),
        to_decide=waiting_school.to_decide(db(), actor()),
        twin=doors.twin_of(db(), actor()) if edge().by_doors else None,
        tasks=sum(one.is_task for one in waiting_school.school_matters(db(), actor(), edge().now)),
        category_list=category_form.listed,
    )


@blueprint.get("/programmes/<programme>/points")
def choose(programme: str) -> str:
    """选能力点; the filters are a GET form, `pick` ticks points without saving."""
    return _choosing(programme, request.args.getlist("pick") or None)


def _choosing(programme: str, picked: list[str] | None, error: str = "", give_up: str = "") -> str:
    view = choose_view.choosing(
        db(),
        actor(),
        programme,
        edge().now,
        environment=request.values.get("environment", ""),
        dimension=request.values.get("dimension", ""),
        no_video=bool(request.values.get("no_video")),
        picked=picked,
    )
    return render_template(
        "submit/choose.html",
        view=view,
        error=error,
        give_up=give_up,
        category_list=category_form.listed,
        range_words=lambda only: category_form.range_words(only, {**view.environments, **view.dimensions}),
    )


@blueprint.post("/programmes/<programme>/points")
def save_choice(programme: str) -> BaseResponse | str:
    """Saves the choice; what does not fit is said beside the list, with the ticks kept."""
    picked = request.form.getlist("point")
    given_up = " ".join(request.form.getlist("give_up")).split()
    try:
        submit.choose_points(db(), actor(), programme, picked, edge().now, given_up)
    except Invalid as error:
        sentence = slots.first_sentence(error)
        said = {"give_up": sentence} if "give_up" in error.fields else {"error": sentence}
        return make_response(_choosing(programme, picked, **said), 422)
    except Refused as error:
        if error.code not in {"choice.decided", "choice.opened", "choice.not_for_category"}:
            raise
        return make_response(_choosing(programme, picked, slots.sentence_of(error)), 422)
    return redirect(url_for("submit.home", programme=programme), 303)


@blueprint.get("/submissions/<submission>/result")
def result(submission: str) -> str:
    """结果是怎么来的: what was said and decided of each criterion, and how that makes a level."""
    return render_template(
        "submit/result.html",
        view=result_view.result_page(db(), actor(), submission),
        appeal=appeals.standing_of(db(), actor(), submission, edge().now),
        point_word=marks.point_word,
        level_word=marks.level_word,
        counts_word=uncertain.counts_word,
    )


@blueprint.get("/submissions/<submission>")
def point(submission: str) -> str:
    """One point: what to hand in and how it will be judged, side by side."""
    return _point(submission)


def _point(
    submission: str,
    error: str = "",
    conflict: Mapping[str, Any] | None = None,
    told: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """`conflict`: what two windows say of marks or ticks; `told`: requirement key → what to say beside its place."""
    page = point_view.point_page(db(), actor(), submission, edge().now)
    return render_template(
        "submit/point.html",
        page=page,
        places=[slots.place(page, slot, (told or {}).get(slot.key, ())) for slot in page.slots],
        error=error,
        conflict=conflict,
        problem_sentence=slots.problem_sentence,
        limits=slots.limits_sentence,
        forms=slots.form_words(),
    )


def refused_files(submission: str, told: Mapping[str, Sequence[str]]) -> Response:
    """The point page after files of which some were not taken: each is named beside its place, the others are in."""
    return make_response(_point(submission, told=told), 422)


def _given_edition() -> str:
    return (request.form.getlist("version") or [""])[-1]  # the button of the conflict notice has the last word


def _two_windows(submission: str, what: str, error: Conflict) -> Response:
    """Two windows changed marks ("self") or ticks: both are shown, and the person chooses."""
    db().rollback()
    if "theirs" not in error.params:
        raise error
    page = point_view.point_page(db(), actor(), submission, edge().now)
    mine, theirs = error.params["mine"], error.params["theirs"]
    differing = slots.differing_marks if what == "self" else slots.differing_ticks
    conflict = {"what": what, "mine": mine, "rows": differing(page, mine, theirs), "version": error.params["version"]}
    shown = (
        render_template("submit/_two_windows.html", page=page, conflict=conflict)
        if _wants_json()
        else _point(submission, conflict=conflict)
    )
    return make_response(shown, Conflict.status)


def _wants_json() -> bool:
    return "X-Nengli-Autosave" in request.headers


def _saved(version: int | str, at: datetime) -> Response:
    here = edge()
    local = at.astimezone(ZoneInfo(here.tenant.timezone)) if here.tenant is not None else at
    return jsonify(version=version, saved_at=local.isoformat())


@blueprint.get("/submissions/<submission>/<key>/text")
def text(submission: str, key: str) -> str:
    """直接写: one field for each criterion."""
    page = point_view.point_page(db(), actor(), submission, edge().now)
    slot = slots.writable(page, key, "text")
    return render_template("submit/text.html", page=page, slot=slot, parts=slot.text_parts, version=slot.text_version)


@blueprint.post("/submissions/<submission>/<key>/text")
def save_text(submission: str, key: str) -> BaseResponse | str:
    """Saves typed text, by itself or by the button. Two tabs: 409 with both texts, nothing is lost."""
    given = {name.removeprefix("part."): value for name, value in request.form.items() if name.startswith("part.")}
    version = (request.form.getlist("version") or [""])[-1]  # the button of the conflict notice has the last word
    try:
        row = drafts.save_text(db(), actor(), submission, key, given, whole(version, 0, least=0), edge().now)
    except Conflict as error:
        if error.code != "evidence.edited_elsewhere":
            raise
        return _both(submission, key, error.params)
    except Refused as error:
        if error.code != "text.too_long":
            raise
        return _too_long(submission, key, given, error)
    if _wants_json():
        return _saved(row.version, edge().now)
    return redirect(url_for("submit.point", submission=submission) + f"#slot-{submission}-{key}", 303)


def _both(submission: str, key: str, params: Mapping[str, Any]) -> Response:
    page = point_view.point_page(db(), actor(), submission, edge().now)
    slot = slots.writable(page, key, "text")
    template = "submit/_conflict.html" if _wants_json() else "submit/text.html"
    shown = render_template(
        template,
        page=page,
        slot=slot,
        parts=params["mine"],
        theirs=params["theirs"],
        version=params["version"],
        is_conflict=True,
    )
    return make_response(shown, Conflict.status)


def _too_long(submission: str, key: str, given: Mapping[str, str], error: Refused) -> Response:
    page = point_view.point_page(db(), actor(), submission, edge().now)
    slot = slots.writable(page, key, "text")
    sentence = slots.sentence_of(error)
    if _wants_json():
        return make_response(jsonify(error=error.code, message=sentence), error.status)
    shown = render_template(
        "submit/text.html", page=page, slot=slot, parts=given, version=slot.text_version, error=sentence
    )
    return make_response(shown, error.status)


@blueprint.get("/submissions/<submission>/<key>/photos")
def photos(submission: str, key: str) -> str:
    """拍手写稿: choose or take up to nine photos, then make one PDF of them."""
    return photos_page(submission, key)


def photos_page(submission: str, key: str, told: Sequence[str] = ()) -> str:
    """The photos that lie in the item, in order, and the way to more; `told`: what is wrong with those not taken."""
    page = point_view.point_page(db(), actor(), submission, edge().now)
    slot = slots.writable(page, key, "image")
    return render_template(
        "submit/photos.html",
        page=page,
        slot=slot,
        place=slots.photo_place(page, slot, told),
        photos=[piece for piece in slot.pieces if piece.kind == "image" and piece.state == "ready"],
    )


@blueprint.get("/submissions/<submission>/<key>/link")
def link(submission: str, key: str) -> str:
    """填网址."""
    page = point_view.point_page(db(), actor(), submission, edge().now)
    return render_template("submit/link.html", page=page, slot=slots.writable(page, key, "link"), url="", error="")


@blueprint.post("/submissions/<submission>/<key>/link")
def save_link(submission: str, key: str) -> BaseResponse | str:
    """Adds an address; one that is no http(s) URL is said beside the field."""
    url = request.form.get("url", "")
    try:
        drafts.add_link(db(), actor(), submission, key, url, edge().now)
    except (NotFound, Forbidden):
        raise
    except Refused as error:
        db().rollback()
        page = point_view.point_page(db(), actor(), submission, edge().now)
        try:
            slot = slots.writable(page, key, "link")
        except Refused:
            raise error from None  # handed in meanwhile: the refusal's own page shows what was typed
        shown = render_template(
            "submit/link.html", page=page, slot=slot, url=url[:2000], error=slots.sentence_of(error)
        )
        return make_response(shown, 422)
    return redirect(url_for("submit.point", submission=submission) + f"#slot-{submission}-{key}", 303)


@blueprint.get("/submissions/<submission>/<key>/reuse")
def reuse(submission: str, key: str) -> str:
    """用我已传的材料."""
    return render_template(
        "submit/reuse.html",
        shelf=point_view.own_files(db(), actor(), submission, key),
        keep_days=parts().settings.keep_removed_days,
    )


@blueprint.post("/submissions/<submission>/<key>/reuse")
def save_reuse(submission: str, key: str) -> BaseResponse:
    """Uses a file here too."""
    drafts.reuse_file(db(), actor(), submission, key, request.form.get("file", ""), edge().now)
    return redirect(url_for("submit.point", submission=submission) + f"#slot-{submission}-{key}", 303)


@blueprint.post("/submissions/<submission>/<key>/pieces/<ref>/remove")
def remove(submission: str, key: str, ref: str) -> BaseResponse:
    """Takes a piece out of the draft."""
    drafts.remove_piece(db(), actor(), submission, key, ref, edge().now)
    return redirect(url_for("submit.point", submission=submission) + f"#slot-{submission}-{key}", 303)


@blueprint.post("/submissions/<submission>/<key>/pieces/<ref>/waive")
def waive(submission: str, key: str, ref: str) -> BaseResponse:
    """就这样提交."""
    uploads.waive_findings(db(), actor(), submission, key, ref, edge().now)
    return redirect(url_for("submit.point", submission=submission) + "#checks", 303)


@blueprint.post("/submissions/<submission>/self")
def save_self_marks(submission: str) -> BaseResponse:
    """自评, saved by itself or by the button. Two windows: 409 with both."""
    marks: dict[str, dict[str, int]] = {}
    for name, value in request.form.items():
        kind, _, rest = name.partition(".")
        key, _, criterion = rest.partition(".")
        if kind == "mark" and criterion and value in {"0", "1", "2"}:
            marks.setdefault(key, {})[criterion] = int(value)
    try:
        row = drafts.save_self_marks(db(), actor(), submission, marks, _given_edition(), edge().now)
    except Conflict as error:
        return _two_windows(submission, "self", error)
    if _wants_json():
        return _saved(competencies.edition(row.self_marks), edge().now)
    return redirect(url_for("submit.point", submission=submission) + "#checks", 303)


@blueprint.post("/submissions/<submission>/checks")
def save_checks(submission: str) -> BaseResponse:
    """The ticks of the checks before submitting. Two windows: 409 with both."""
    ticks: dict[str, list[str]] = {}
    for value in request.form.getlist("tick"):
        key, _, check = value.partition(".")
        ticks.setdefault(key, []).append(check)
    try:
        row = drafts.save_ticks(db(), actor(), submission, ticks, _given_edition(), edge().now)
    except Conflict as error:
        return _two_windows(submission, "ticks", error)
    if _wants_json():
        return _saved(competencies.edition(row.ticks), edge().now)
    return redirect(url_for("submit.point", submission=submission) + "#checks", 303)


@blueprint.post("/submissions/<submission>/submit")
def hand_in(submission: str) -> BaseResponse | str:
    """提交; where something is missing the page says what, and nothing is lost. Twice leads to the same page."""
    try:
        submit.submit(db(), actor(), submission, edge().now)
    except Invalid:
        db().rollback()
        return make_response(_point(submission, error="submit.incomplete"), 422)
    return redirect(url_for("submit.point", submission=submission), 303)


@blueprint.post("/submissions/<submission>/again")
def prepare_again(submission: str) -> BaseResponse:
    """重新准备."""
    submit.prepare_again(db(), actor(), submission, edge().now)
    return redirect(url_for("submit.point", submission=submission), 303)


@blueprint.post("/submissions/<submission>/withdraw")
def withdraw(submission: str) -> BaseResponse:
    """撤回."""
    submit.withdraw(db(), actor(), submission, edge().now)
    return redirect(url_for("submit.point", submission=submission), 303)
