"""整校推进方案: what the county asks for, each school's page, and the county's word on it."""

from datetime import date

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin.errors import Conflict, Invalid
from lms_plugin.flow import plan_papers, plan_views, plans, units
from lms_plugin.web import given_files, messages
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import pages, whole
from lms_plugin.web.schools import environment_word, ticked

blueprint = Blueprint("plans", __name__)


def duty_word(duty: str) -> str:
    """What somebody of the management team does, in the page's language."""
    words = {
        "leader": _("组长（校长）"),
        "teaching": _("教学主任"),
        "ict": _("信息技术骨干"),
        "subject": _("学科骨干"),
        "other": _("其他"),
    }
    return words[duty]


def state_word(state: str) -> str:
    """Where a school's plan stands."""
    words = {
        "none": _("还没开始"),
        "draft": _("在填写"),
        "submitted": _("等区县审核"),
        "returned": _("退回待改"),
        "accepted": _("已通过"),
    }
    return words[state]


def state_kind(state: str) -> str:
    """How a state is marked."""
    return {"submitted": "wait", "returned": "stop", "accepted": "good"}.get(state, "note")


def event_word(kind: str) -> str:
    """What happened to a plan."""
    return {
        "submitted": _("交给区县"),
        "withdrawn": _("学校撤回"),
        "returned": _("退回修改"),
        "accepted": _("通过了审核"),
    }[kind]


@blueprint.get("/progress/<programme>/<unit>/plans")
def home(programme: str, unit: str) -> str:
    """Which schools have handed their plan in; where nobody has asked yet, how to ask."""
    return _home(programme, unit)


def _home(programme: str, unit: str, errors: dict[str, str] | None = None) -> str:
    state, number = request.args.get("state", ""), whole(request.args.get("page"), 1)
    view = plan_views.page(db(), actor(), programme, unit, state, number, edge().now)
    papers: tuple[str, ...] = competencies.plans.PAPERS
    due_on = ""
    if view.call is not None:
        papers, due_on = tuple(view.call.papers), view.call.due_on.isoformat() if view.call.due_on is not None else ""
    return render_template(
        "plans/home.html",
        view=view,
        state=state if state in plan_views.STATES else "",
        states=plan_views.STATES,
        state_word=state_word,
        state_kind=state_kind,
        page=number,
        pages=pages(view.total),
        address=lambda there: url_for("plans.home", programme=programme, unit=unit, state=state or None, page=there),
        papers=request.form.get("papers", "\n".join(papers)),
        due_on=request.form.get("due_on", due_on),
        errors=errors or {},
    )


@blueprint.post("/progress/<programme>/<unit>/plans")
def ask(programme: str, unit: str) -> BaseResponse | tuple[str, int]:
    """The county asks for plans, changes what it asks for, or asks no more."""
    try:
        papers = competencies.plans.papers_of(request.form.get("papers", "")[:5000])
        is_open = request.form.get("ends") != "1"
        plans.ask(db(), actor(), programme, unit, papers, _day("due_on"), edge().now, is_open=is_open)
    except Invalid as invalid:
        db().rollback()
        return _home(programme, unit, messages.field_errors(invalid)), 422
    return redirect(url_for("plans.home", programme=programme, unit=unit), 303)


def _day(name: str) -> date | None:
    """A day of the form; None for an empty field. Raises Invalid for what is no day."""
    text = request.form.get(name, "").strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise Invalid({name: "form.date"}) from error


@blueprint.get("/progress/<programme>/<unit>/plan")
def one(programme: str, unit: str) -> str:
    """One school's plan: papers, team, environment, the teachers' lists, and what is still missing."""
    return _one(programme, unit)


def _one(programme: str, unit: str, errors: dict[str, str] | None = None, notice: str = "") -> str:
    found = plans.held(db(), actor(), programme, unit, edge().now)
    team = [(member.name, member.duty.value) for member in found.team]
    environment = found.environment
    if request.method == "POST" and "name.1" in request.form:  # refused: what was typed stands again
        team, environment = _typed_team(), ticked()
    room = competencies.plans.MOST_TEAM
    team = [*team, *[("", "")] * (room - len(team))][:room]
    due_on = found.call.due_on
    is_late = due_on is not None and edge().now >= competencies.end_of_day(due_on, edge().timezone)
    may_edit = plans.may_edit(actor(), found)
    return render_template(
        "plans/one.html",
        found=found,
        crumbs=plan_views.trail(db(), actor(), found.place),
        sentence=_sentence(found, may_edit=may_edit),
        is_late=is_late,
        is_open=may_edit and _takes_changes(found),
        may_edit=may_edit,
        may_decide=plans.may_decide(actor(), found),
        missing=_missing(found),
        history=plans.history(db(), actor(), found),
        teachers=plan_views.chosen_points(db(), actor(), found.place),
        most_teachers=plan_views.MOST_TEACHERS,
        team=team,
        environment=environment,
        duties=[("", _("请选择")), *((duty.value, duty_word(duty.value)) for duty in competencies.plans.TeamDuty)],
        environments=[(code, environment_word(code)) for code in units.ENVIRONMENTS],
        environment_word=environment_word,
        duty_word=duty_word,
        state_word=state_word,
        state_kind=state_kind,
        event_word=event_word,
        accept=",".join(f".{ending}" for ending in plan_papers.ACCEPTED_FILES),
        most_mb=plan_papers.PAPER_MB,
        errors=errors or {},
        notice=notice,
        reason=request.form.get("reason", ""),
    )


def _takes_changes(found: plans.Held) -> bool:
    state = competencies.plans.PlanState
    return found.state is state.RETURNED or (found.state is state.DRAFT and found.call.is_open)


def _sentence(found: plans.Held, *, may_edit: bool) -> str:
    state = found.state.value
    if state == "submitted" and plans.may_decide(actor(), found):
        return _("学校交了方案，请看一遍，通过或退回")
    if state == "submitted":
        return _("方案交给区县了，等审核")
    if state == "accepted":
        return _("方案已经通过")
    if not _takes_changes(found):
        return _("区县不再收方案，已交的仍在")
    if not may_edit:
        return _("学校还在填写方案")
    if found.lack:
        return _("方案还差 %(n)s 处", n=len(_missing(found)))
    return _("都齐了，可以交给区县")


def _missing(found: plans.Held) -> list[tuple[str, str]]:
    """What is missing: (words, the place on the page)."""
    lack = found.lack
    missing = [
        (_("没有“%(paper)s”", paper=paper), f"paper-{list(found.call.papers).index(paper) + 1}")
        for paper in lack.papers
    ]
    if lack.team:
        missing.append((_("管理团队还差 %(n)s 人", n=lack.team), "team"))
    if lack.leader:
        missing.append((_("管理团队里没有组长"), "team"))
    if lack.environment:
        missing.append((_("没有申报教学环境"), "environment"))
    return missing


def _typed_team() -> list[tuple[str, str]]:
    numbers = range(1, competencies.plans.MOST_TEAM + 1)
    return [(request.form.get(f"name.{n}", "")[:500], request.form.get(f"duty.{n}", "")[:32]) for n in numbers]


def _back(programme: str, unit: str, place: str = "") -> BaseResponse:
    return redirect(url_for("plans.one", programme=programme, unit=unit) + (f"#{place}" if place else ""), 303)


@blueprint.post("/progress/<programme>/<unit>/plan")
def save(programme: str, unit: str) -> BaseResponse | tuple[str, int]:
    """Keeps team and environment; somebody else's save in between is shown, and nothing that was typed is lost."""
    try:
        plans.save(
            db(),
            actor(),
            programme,
            unit,
            competencies.plans.team_of(_typed_team()),
            ticked(),
            request.form.get("version", ""),
            edge().now,
        )
    except Invalid as invalid:
        db().rollback()
        return _one(programme, unit, messages.field_errors(invalid)), 422
    except Conflict as conflict:
        kept: plans.Held | None = conflict.params.get("held")
        if kept is None:
            raise
        db().rollback()
        names = _("、").join(f"{member.name}（{duty_word(member.duty.value)}）" for member in kept.team) or _("没有人")
        words = {"team": names, "environment": environment_word(kept.environment)}
        return _one(programme, unit, notice=messages.sentence("plan.changed", words)), 409
    return _back(programme, unit, "team")


@blueprint.post("/progress/<programme>/<unit>/plan/papers")
def add(programme: str, unit: str) -> BaseResponse | tuple[str, int]:
    """Files for one paper.

    The paper goes by its name: the county may change the list while a school has its page open.
    """
    paper = request.form.get("paper", "")
    names = plans.held(db(), actor(), programme, unit, edge().now).names
    told = given_files.taken_in(
        lambda: plan_papers.may_add(db(), actor(), programme, unit, paper, edge().now),
        lambda file: plan_papers.add_paper(db(), actor(), programme, unit, paper, file, edge().now),
    )
    if told:
        return _one(programme, unit, {f"paper.{paper}": " ".join(told)}), 422
    return _back(programme, unit, f"paper-{names.index(paper) + 1}" if paper in names else "")


@blueprint.post("/progress/<programme>/<unit>/plan/files/<paper>/remove")
def remove(programme: str, unit: str, paper: str) -> BaseResponse:
    """Takes a file out of the plan."""
    plan_papers.remove_paper(db(), actor(), programme, unit, paper, edge().now)
    return _back(programme, unit)


@blueprint.post("/progress/<programme>/<unit>/plan/submit")
def submit(programme: str, unit: str) -> BaseResponse:
    """Hands the plan in."""
    plans.submit(db(), actor(), programme, unit, edge().now)
    return _back(programme, unit)


@blueprint.post("/progress/<programme>/<unit>/plan/withdraw")
def withdraw(programme: str, unit: str) -> BaseResponse:
    """Takes it back, while the county has not decided."""
    plans.withdraw(db(), actor(), programme, unit, edge().now)
    return _back(programme, unit)


@blueprint.post("/progress/<programme>/<unit>/plan/return")
def send_back(programme: str, unit: str) -> BaseResponse | tuple[str, int]:
    """The county wants something changed."""
    try:
        plans.send_back(db(), actor(), programme, unit, request.form.get("reason", "")[:5000], edge().now)
    except Invalid as invalid:
        db().rollback()
        return _one(programme, unit, messages.field_errors(invalid)), 422
    return _back(programme, unit)


@blueprint.post("/progress/<programme>/<unit>/plan/accept")
def accept(programme: str, unit: str) -> BaseResponse | tuple[str, int]:
    """The county takes the plan."""
    try:
        plans.accept(db(), actor(), programme, unit, edge().now)
    except Invalid as invalid:
        db().rollback()
        return _one(programme, unit, messages.field_errors(invalid)), 422
    return _back(programme, unit)
