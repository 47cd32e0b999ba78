"""考核流程: the county's page, the school's, its 考核小组, one batch with its check, and 公示 with objections."""

import secrets
from datetime import timedelta

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin.access import Permission, Scope, can, somewhere
from lms_plugin.db import find
from lms_plugin.errors import Invalid, NotFound
from lms_plugin.flow import batch_views, batches, chain_views, panel, publicity, waiting_school
from lms_plugin.web import marks, messages
from lms_plugin.web.edge import SignedOut, actor, db, edge, wake_worker
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import whole

blueprint = Blueprint("chain", __name__)
LEFT_OUT = "out."
LONGEST_NUMBERS = 300
NOTICE_AHEAD = timedelta(days=14)  # a 公示 that begins now ends about then


def act_words(act: str) -> tuple[str, str, str]:
    """What a school's chain waits for: kind of mark, in a word, and who has to act."""
    words = {
        "answer": ("stop", _("有异议要答复"), _("区县管理员")),
        "check": ("wait", _("县级抽查中"), _("区县管理员、全县的评审员")),
        "panel": ("wait", _("还没有考核小组"), _("学校管理员")),
        "decide": ("wait", _("正在认定"), _("考核小组或评审员")),
        "close": ("wait", _("都定好了，等结批"), _("学校管理员")),
        "shown": ("note", _("公示中"), _("不用做什么")),
        "ready": ("note", _("即将认定"), _("不用做什么")),
        "done": ("good", _("已认定"), _("不用做什么")),
        "none": ("pen", _("还没有人提交"), _("参训教师")),
    }
    return words[act]


def state_words(state: str) -> tuple[str, str]:
    """A batch's state: kind of mark and word."""
    words = {
        "checking": ("wait", _("县级抽查中")),
        "returned": ("stop", _("退回学校")),
        "shown": ("note", _("公示中")),
        "ready": ("note", _("即将认定")),
        "released": ("good", _("已认定")),
    }
    return words[state]


def drawn_word(drawn: str, own: marks.OwnWords = None) -> str:
    """Why a work was drawn. `own`: what the framework of its point calls its levels."""
    top = _("%(level)s必查", level=marks.point_word(2, own))
    words = {"random": _("抽签"), "excellent": top, "appeal": _("异议成立过"), "again": _("上次没通过")}
    return str(words.get(drawn, drawn))


def waiting_word(state: str) -> str:
    """Where a work stands that is not decided."""
    words = {"submitted": _("还没定"), "late": _("迟交，还没定收不收"), "returned": _("退回修改中")}
    return str(words[state])


@blueprint.get("/chain")
def home() -> BaseResponse | str:
    """The programme where something waits for the reader, else the newest that goes this way."""
    places = waiting_school.chain_places(db(), actor(), edge().now)
    if not places:
        return render_template("chain/none.html")
    return redirect(_opened(places[0]), 303)


@blueprint.get("/chain/programmes")
def programmes() -> str:
    """All programmes that go this way, to choose from."""
    places = waiting_school.chain_places(db(), actor(), edge().now)
    if not places:
        return render_template("chain/none.html")
    return render_template("chain/programmes.html", places=places, opened=_opened)


def _opened(place: waiting_school.ChainPlace) -> str:
    if place.unit:
        return url_for("chain.school", programme=place.programme, unit=place.unit)
    return url_for("chain.county", programme=place.programme)


@blueprint.get("/chain/<programme>")
def county(programme: str) -> str:
    """Which school stands where, and who has to act."""
    view = chain_views.county_page(db(), actor(), programme)
    today = competencies.local_day(edge().now, edge().timezone)
    return render_template(
        "chain/county.html",
        view=view,
        acts=chain_views.ACTS,
        act_words=act_words,
        no_holidays=competencies.batches.years_without_holidays(view.chain, view.holidays, today, today + NOTICE_AHEAD),
        may_write=can(actor(), Permission.PROGRAMME_EDIT, Scope(actor().tenant_id)),
        may_edit=can(actor(), Permission.PROGRAMME_EDIT, somewhere(actor())),
    )


@blueprint.route("/chain/<programme>/<unit>", methods=["GET", "POST"])
def school(programme: str, unit: str) -> BaseResponse | tuple[str, int]:
    """One school: what waits, what is decided, its rounds; and 结批."""
    errors: dict[str, str] = {}
    if request.method == "POST":
        row = find(db(), competencies.Programme, actor().tenant_id, programme)
        try:
            batch = batches.close(db(), actor(), row, unit, _left_out(), secrets.token_hex(16), edge().now)
            return redirect(url_for("chain.batch", batch=batch.uuid), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    view = chain_views.school_page(db(), actor(), programme, unit)
    page = render_template(
        "chain/school.html",
        view=view,
        errors=errors,
        typed=lambda uuid: request.form.get(LEFT_OUT + uuid, "")[: batches.LONGEST_LEFT_OUT + 1],
        common=request.form.get("common", "")[: batches.LONGEST_LEFT_OUT + 1],
        act_words=act_words,
        state_words=state_words,
        waiting_word=waiting_word,
    )
    return page, 422 if errors else 200


def _left_out() -> dict[str, str]:
    """Reasons by uuid of the work; where none is given, the one that was given for all."""
    common = request.form.get("common", "")
    given = {key.removeprefix(LEFT_OUT): text for key, text in request.form.items() if key.startswith(LEFT_OUT)}
    return {uuid: text.strip() or common for uuid, text in given.items()}


@blueprint.route("/panel/<unit>", methods=["GET", "POST"])
def name_panel(unit: str) -> BaseResponse | tuple[str, int]:
    """考核小组 of a school."""
    errors: dict[str, str] = {}
    view = panel.panel_page(db(), actor(), unit)
    chosen = [one.person for one in view.members]
    if request.method == "POST":
        chosen = [one for one in request.form.getlist("member")[: panel.MOST + 1] if one]
        try:
            asked_in = request.form.get("asked_in", "")[:LONGEST_NUMBERS]
            panel.name_panel(db(), actor(), unit, chosen, edge().now, asked_in)
            return redirect(url_for("chain.name_panel", unit=unit, saved=1), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    page = render_template(
        "chain/panel.html",
        view=view,
        places=panel.MOST,
        chosen=chosen,
        errors=errors,
        asked_in=request.form.get("asked_in", "")[:LONGEST_NUMBERS],
        saved="saved" in request.args,
        people=[(uuid, f"{name} {number}".strip()) for uuid, name, number in view.people],
    )
    return page, 422 if errors else 200


@blueprint.get("/batches/<batch>")
def batch(batch: str) -> str:
    """One batch."""
    return _batch(batch)


def _batch(uuid: str, errors: dict[str, str] | None = None, about: str = "") -> str:
    return render_template(
        "chain/batch.html",
        view=batch_views.batch_page(db(), actor(), uuid, edge().now),
        errors=errors or {},
        about=about,
        typed=lambda name: request.form.get(name, ""),
        done=whole(request.args.get("done"), 0, 0),
        state_words=state_words,
        drawn_word=drawn_word,
    )


@blueprint.post("/batches/<batch>/check/<submission>")
def check(batch: str, submission: str) -> BaseResponse | tuple[str, int]:
    """What the county finds of one drawn work."""
    is_upheld, reason = request.form.get("finding") == "upheld", request.form.get("reason", "")
    try:
        batches.check(db(), actor(), batch, submission, is_upheld=is_upheld, reason=reason, now=edge().now)
        return redirect(url_for("chain.batch", batch=batch, _anchor="drawn"), 303)
    except Invalid as invalid:
        db().rollback()
        return _batch(batch, messages.field_errors(invalid), submission), 422


@blueprint.post("/batches/<batch>/end")
def end_check(batch: str) -> BaseResponse:
    """Everything drawn was looked at."""
    batches.end_check(db(), actor(), batch, edge().now)
    wake_worker()
    return redirect(url_for("chain.batch", batch=batch), 303)


@blueprint.post("/batches/<batch>/release")
def release(batch: str) -> BaseResponse:
    """认定 by hand, after 公示."""
    done = batches.release(db(), actor(), batch, edge().now)
    wake_worker()
    return redirect(url_for("chain.batch", batch=batch, done=done.decisions), 303)


@blueprint.post("/objections/<objection>")
def answer(objection: str) -> BaseResponse | tuple[str, int]:
    """The answer to an objection."""
    uuid = publicity.batch_of(db(), actor(), objection)
    finding = {"upheld": True, "refused": False}.get(request.form.get("finding", ""))
    try:
        words = request.form.get("answer", "")
        publicity.answer(db(), actor(), objection, is_upheld=finding, words=words, now=edge().now)
        return redirect(url_for("chain.batch", batch=uuid, _anchor="objections"), 303)
    except Invalid as invalid:
        db().rollback()
        return _batch(uuid, messages.field_errors(invalid), objection), 422


@blueprint.get("/publicity")
def publicities() -> str:
    """What is in 公示 now."""
    return render_template("chain/publicities.html", lines=publicity.listed(db(), actor(), edge().now))


@blueprint.route("/publicity/<batch>", methods=["GET", "POST"], endpoint="publicity")
def publicity_page(batch: str) -> BaseResponse | tuple[str, int]:
    """公示 of a batch; an objection to one of its works."""
    here, errors = edge(), {}
    if here.actor is None:
        return _for_everybody(batch), 200
    if request.method == "POST":
        try:
            said = [request.form.get(name, "") for name in ("work", "text", "said_by")]
            publicity.object_to(db(), actor(), batch, said[0], said[1], said[2], here.now)
            return redirect(url_for("chain.publicity", batch=batch, said=1), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    view = publicity.publicity_page(db(), actor(), batch, here.now)
    page = render_template(
        "chain/publicity.html",
        view=view,
        errors=errors,
        typed=lambda name: request.form.get(name, request.args.get(name, "") if name == "work" else ""),
        said="said" in request.args,
    )
    return page, 422 if errors else 200


def _for_everybody(batch: str) -> str:
    try:
        view = publicity.public_page(db(), batch, edge().now)
    except NotFound as nothing:
        raise SignedOut from nothing  # nothing tells a stranger which addresses exist
    return render_template("chain/publicity.html", view=view, errors={}, typed=lambda _name: "")
