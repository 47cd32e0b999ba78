"""The trainer's desk: queue, one case, list mode, phrases."""

import secrets
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin.access import Permission, can, somewhere
from lms_plugin.db import find
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import case_views, cases, digest, flags, own_phrases, queue_views, waiting
from lms_plugin.people import RoleKind
from lms_plugin.web import marks, messages
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import whole

blueprint = Blueprint("cases", __name__)

BY_AGE = "age"
AGREED = {"0": 0, "1": 1, "2": 2}


def state_word(state: str) -> str:
    """A filter of the queue in words."""
    words = {
        "mine": _("退给我的"),
        "pending": _("待定"),
        "overdue": _("超过答应的天数"),
        "agreed": _("已一致"),
        "split": _("分歧"),
        "late": _("迟交"),
        "again": _("退回后重交"),
        "decided": _("已定未发布"),
        "by_rule": _("自动通过的"),
        "returned": _("退回修改中"),
        "declined": _("迟交未接收"),
    }
    return str(words[state])


@blueprint.get("/cases")
def queue() -> str:
    """待评材料."""
    view = queue_views.queue(
        db(),
        actor(),
        request.args.get("programme", ""),
        request.args.get("state", "pending"),
        AGREED.get(request.args.get("agreed", "")),
        whole(request.args.get("page"), 1),
        edge().now,
        by_doubt=request.args.get("order") != BY_AGE,
    )
    return render_template(
        "cases/queue.html",
        view=view,
        stuck=digest.stuck_notices(db(), actor()),
        flagged=flags.count_open(db(), actor()),
        checks=[one for one in waiting.county_matters(db(), actor()) if one.kind == waiting.CHECK],
        sees_scores=actor().has(RoleKind.TRAINER, RoleKind.OFFICER),
        sees_chain=can(actor(), Permission.CHAIN_READ, somewhere(actor())),
        state_word=state_word,
        minutes_ago=_minutes_ago,
        days_since=lambda at: (edge().now - at).days,
        BY_AGE=BY_AGE,
        runs_it=any(
            role.kind is RoleKind.OFFICER or (role.kind is RoleKind.TRAINER and not role.is_provisional)
            for role in actor().roles
        ),
        opened=lambda uuid: url_for("cases.page", uuid=uuid, **_desk_address(_desk())),
        address=lambda **changes: url_for("cases.queue", **(_filters(view) | changes)),
        paged=lambda number: url_for("cases.queue", **_filters(view), page=number),
    )


def _filters(view: queue_views.Queue) -> dict[str, Any]:
    return {
        "programme": view.programme or None,
        "state": view.state,
        "agreed": view.agreed if view.agreed is not None else None,
        "order": None if request.args.get("order") != BY_AGE else BY_AGE,
    }


def _minutes_ago(at: Any) -> str:
    minutes = int((edge().now - at).total_seconds() // 60)
    return str(_("刚刚") if minutes < 1 else _("%(minutes)s 分钟前", minutes=minutes))


@blueprint.get("/cases/<uuid>")
def page(uuid: str) -> str:
    """One case. Opening it is said to colleagues and written down."""
    case = cases.open_case(db(), actor(), uuid, edge().now)
    return _render(case_views.case_page(db(), actor(), uuid, edge().now, case=case, desk=_desk()), {}, None)


def _desk() -> case_views.Desk:
    """The part of the queue that the trainer works through, as the address says."""
    agreed = request.args.get("agreed", "")
    by_doubt = request.args.get("order") != BY_AGE
    return case_views.Desk(request.args.get("state", "pending"), AGREED.get(agreed), by_doubt)


def _desk_address(desk: case_views.Desk) -> dict[str, Any]:
    """What an address carries of it: nothing for the usual desk."""
    return {
        "state": desk.state if desk.state != "pending" else None,
        "agreed": desk.agreed,
        "order": None if desk.by_doubt else BY_AGE,
    }


def _render(
    view: case_views.CasePage, errors: dict[str, str], standing: dict[str, Any] | None, refusal: str = ""
) -> str:
    return render_template(
        "cases/page.html",
        view=view,
        desk=_desk_address(_desk()),
        errors=errors,
        first_error=marks.first_error(view.items, errors),
        standing=standing,
        refusal=refusal,
        declining=marks.plain(request.form.get("declined", "")),
        choices=lambda line: marks.choices(line, view.level_words),
        level_word=lambda level, is_validity: marks.level_word(level, is_validity, view.level_words),
        squares=lambda line: [
            (
                _who(one),
                marks.level_word(one.level, line.is_validity, view.level_words),
                "pass" if line.is_validity and one.level else marks.square_kind(one.level),
            )
            for one in view.squares.get(line.field, ())
        ],
        peer_reasons=lambda line: [one for one in view.squares.get(line.field, ()) if one.reason],
        point_word=lambda level: marks.point_word(level, view.level_words),
        minutes_ago=_minutes_ago,
    )


def _who(one: case_views.Square) -> str:
    if one.who == "peer":
        return str(_("互评%(number)s", number=one.number))
    return str(_("自评") if one.who == "self" else _("评审员"))


def _judgement() -> competencies.Judgement:
    found: dict[str, dict[str, tuple[int | None, str]]] = {}
    for key, draft in marks.drafts_of(request.form).items():
        found.setdefault(key.item_key, {})[key.criterion_key] = (draft.level, draft.reason)
    return competencies.Judgement(found, marks.plain(request.form.get("reason", "")))


@blueprint.post("/cases/<uuid>")
def decide(uuid: str) -> BaseResponse | tuple[str, int]:
    """Decides or returns the case, by the button that was pressed; the next case opens by itself.

    Whatever stands in the way (a second decision, a newer version, the author's time to withdraw), the page comes back
    with everything that was typed.
    """
    act = cases.return_work if request.form.get("act") == "return" else cases.decide
    base, number = whole(request.form.get("base"), 0, 0), whole(request.form.get("number"), 0, 0)
    desk = _desk()
    # Asked before: the act moves the work in the queue.
    following = case_views.next_case(db(), actor(), uuid, edge().now, desk)
    try:
        act(db(), actor(), uuid, _judgement(), base, number, edge().now)
    except (NotFound, Forbidden):
        raise
    except Invalid as error:
        return _again(uuid, error, messages.field_errors(error)), error.status
    except Refused as error:
        standing = error.params if isinstance(error, Conflict) and "name" in error.params else None
        said = "" if standing else messages.sentence(error.code, error.params)
        return _again(uuid, error, {}, standing, said), error.status
    onward = url_for("cases.page", uuid=following, **_desk_address(desk)) if following else ""
    return redirect(onward or url_for("cases.queue", **_desk_address(desk)), 303)


def _again(
    uuid: str, error: Refused, errors: dict[str, str], standing: dict[str, Any] | None = None, refusal: str = ""
) -> str:
    """The page once more with everything that was typed, and what is wrong or what stands."""
    db().rollback()
    typed = marks.drafts_of(request.form) or None  # a form without marks leaves what peers agree on
    reason = marks.plain(request.form["reason"]) if "reason" in request.form else None
    view = case_views.case_page(db(), actor(), uuid, edge().now, typed, reason, desk=_desk())
    if not view.can_decide:
        raise error  # nothing can be typed there any more: the refusal's own page shows what was
    return _render(view, errors, standing, refusal)


def _shown_number() -> int:
    """The number of the version that the page showed; 0 where it does not say."""
    return whole(request.form.get("number"), 0, 0)


@blueprint.post("/cases/<uuid>/undo")
def undo(uuid: str) -> BaseResponse:
    """Takes back a decision that nobody has released; from a list one comes back to it."""
    cases.undo(db(), actor(), uuid, whole(request.form.get("base"), 0, 0), edge().now)
    if listed := request.form.get("list", ""):
        programme = find(db(), competencies.Programme, actor().tenant_id, listed)
        return redirect(url_for("cases.agreed", programme=programme.uuid, _anchor="confirmed"), 303)
    return redirect(url_for("cases.page", uuid=uuid, **_desk_address(_desk())), 303)


@blueprint.post("/cases/<uuid>/accept")
def accept(uuid: str) -> BaseResponse:
    """Lets a late work in."""
    cases.accept_late(db(), actor(), uuid, edge().now, _shown_number())
    return redirect(url_for("cases.page", uuid=uuid, **_desk_address(_desk())), 303)


@blueprint.post("/cases/<uuid>/decline")
def decline(uuid: str) -> BaseResponse | tuple[str, int]:
    """Does not let a late work in, with a reason."""
    try:
        reason = marks.plain(request.form.get("declined", ""))
        cases.decline_late(db(), actor(), uuid, reason, edge().now, _shown_number())
    except Invalid as error:
        return _again(uuid, error, messages.field_errors(error)), error.status
    return redirect(url_for("cases.page", uuid=uuid, **_desk_address(_desk())), 303)


@blueprint.get("/cases/agreed/<programme>")
def agreed(programme: str) -> str:
    """List mode: counts, and three drawn at random to open first."""
    level = AGREED.get(request.args.get("agreed", ""))
    view = queue_views.agreed_list(db(), actor(), programme, level, secrets.randbits(31), edge().now)
    return render_template(
        "cases/agreed.html",
        view=view,
        is_done="done" in request.args,
        done=whole(request.args.get("done"), 0, 0),
        untouched=whole(request.args.get("left"), 0, 0),
    )


@blueprint.post("/cases/agreed/<programme>")
def confirm(programme: str) -> BaseResponse:
    """Confirms the works that were counted, where all still agree."""
    find(db(), competencies.Programme, actor().tenant_id, programme)
    done, left = cases.confirm_agreed(db(), actor(), request.form.getlist("case"), edge().now)
    return redirect(url_for("cases.agreed", programme=programme, done=done, left=left), 303)


@blueprint.route("/cases/phrases", methods=["GET", "POST"])
def phrases() -> BaseResponse | tuple[str, int]:
    """常用评语: one's own."""
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            own_phrases.add_phrase(db(), actor(), marks.plain(request.form.get("text", "")), edge().now)
            return redirect(url_for("cases.phrases"), 303)
        except Invalid as error:
            errors = messages.field_errors(error)
    found = case_views.phrases_of(db(), actor())
    typed = " ".join(request.form.get("text", "").split()) if errors else ""
    page = render_template("cases/phrases.html", phrases=found, errors=errors, typed=typed)
    return page, 422 if errors else 200


@blueprint.post("/cases/phrases/<uuid>/delete")
def delete_phrase(uuid: str) -> BaseResponse:
    """Takes a phrase away."""
    own_phrases.delete_phrase(db(), actor(), uuid)
    return redirect(url_for("cases.phrases"), 303)
