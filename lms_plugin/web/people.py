"""People: where a launch lands, the first-launch page, course binding, names to confirm, invitations, settings."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.access import Actor, Permission, Scope, can, require
from lms_plugin.errors import Invalid, NotFound, Refused
from lms_plugin.flow import courses, doors, enter, landing, merge_views, merges, notices, people, roles
from lms_plugin.flow import invitations as invitations_flow
from lms_plugin.flow import proofs as proofs_flow
from lms_plugin.people import RoleKind, Stage, staff_number_as_kept
from lms_plugin.web import messages, proofs
from lms_plugin.web.edge import actor, db, edge, is_own_path, parts, wake_worker
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import pages, whole

blueprint = Blueprint("people", __name__)

INVITED = (RoleKind.TRAINER, RoleKind.SCHOOL_LEAD, RoleKind.OFFICER, RoleKind.IT, RoleKind.AUDITOR, RoleKind.SEAL)


def stage_word(stage: Stage) -> str:
    """学段 in the page's language."""
    match stage:  # a list asks for every line: only the word that is wanted is looked up
        case Stage.KINDERGARTEN:
            return _("幼儿园")
        case Stage.PRIMARY:
            return _("小学")
        case Stage.JUNIOR:
            return _("初中")
        case Stage.SENIOR:
            return _("高中")
        case Stage.VOCATIONAL:
            return _("中职")
    return _("特教")


def role_word(kind: RoleKind) -> str:
    """A role in the page's language."""
    words = {
        RoleKind.TEACHER: _("参训教师"),
        RoleKind.TRAINER: _("评审员"),
        RoleKind.SCHOOL_LEAD: _("学校管理员"),
        RoleKind.OFFICER: _("区县管理员"),
        RoleKind.IT: _("技术管理员"),
        RoleKind.AUDITOR: _("审计员"),
        RoleKind.PANEL: _("考核小组成员"),
        RoleKind.SEAL: _("用印人"),
    }
    return str(words[kind])


@blueprint.get("/")
def home() -> BaseResponse | str:
    """Where a person belongs now: the page of their next step."""
    me, here = actor(), edge()
    wants = here.web_session.wants if here.web_session is not None and "launched" in request.args else ""
    place = landing.landing_of(db(), me, here.now, wants)
    targets = {
        landing.Place.LINK: lambda: url_for("linking.page", link=place.request_uuid),
        landing.Place.POINT: lambda: (
            url_for("submit.point", submission=place.submission_uuid)
            if place.submission_uuid
            else url_for("submit.choose", programme=place.programme_uuid, pick=place.point)
        ),
        landing.Place.RECORD_OF: lambda: url_for(
            "passport.of_person", programme=place.programme_uuid, person=place.person_uuid
        ),
        landing.Place.PERSON_DATA: lambda: url_for("person_data.of_person", person=place.person_uuid),
        landing.Place.RECORD: lambda: url_for("passport.page", programme=place.programme_uuid),
        landing.Place.SEALS: lambda: url_for("seals.home"),
        landing.Place.REVIEWS: lambda: url_for("review.mine"),
        landing.Place.INTRODUCE: lambda: url_for("people.introduce"),
        landing.Place.TEACHER: lambda: url_for("submit.home", programme=place.programme_uuid),
        landing.Place.TRAINER: lambda: url_for("cases.queue", programme=place.programme_uuid),
        landing.Place.BIND: lambda: url_for("people.bind", course=place.course_uuid),
        landing.Place.PROGRESS: lambda: url_for("oversee.home"),
        landing.Place.AUDIT: lambda: url_for("audit.home"),
        landing.Place.PLATFORMS: lambda: url_for("platforms.home"),
    }
    if place.place in targets:
        return redirect(targets[place.place](), 303)
    return render_template("people/waiting.html", place=place)


@blueprint.route("/people/introduce", methods=["GET", "POST"])
def introduce() -> BaseResponse | tuple[str, int]:
    """The first-launch page: name, school, stage, subject, staff number."""
    me, here = actor(), edge()
    assert here.person is not None
    school = people.school_of(db(), me.person_id, here.now)
    values: dict[str, str] = {
        "name": here.person.name,
        "school": school.uuid if school is not None else "",
        "stage": here.person.stage.value if here.person.stage is not None else "",
        "subject": here.person.subject,
        "staff_number": here.person.staff_number,
    }
    errors: dict[str, str] = {}
    if request.method == "POST":
        values = {key: " ".join(request.form.get(key, "").split()) for key in values}
        values["staff_number"] = staff_number_as_kept(values["staff_number"])
        try:
            said = _introduction(values)
            people.introduce(db(), me, said, here.now)
            return redirect(url_for("people.home", launched=1), 303)
        except Invalid as error:
            db().rollback()
            errors = messages.field_errors(error)
    page = render_template(
        "people/introduce.html",
        values=values,
        errors=errors,
        schools=[(unit.uuid, unit.name) for unit in people.schools(db(), me)],
        stages=[(stage.value, stage_word(stage)) for stage in Stage],
        first=here.person.introduced_at is None,
        twin=doors.twin_of(db(), me) if here.by_doors else None,
    )
    return page, 422 if errors else 200


@blueprint.post("/people/merge/ask")
def ask_merge() -> BaseResponse:
    """A teacher with two rows for one account of the host asks officers to look at them."""
    doors.ask_merge(db(), actor(), edge().now)
    return redirect(url_for("people.home"), 303)


def _introduction(values: dict[str, str]) -> people.Introduction:
    wrong: dict[str, Any] = {}
    for key, longest in (("name", 50), ("school", 32), ("stage", 32), ("subject", 30), ("staff_number", 40)):
        if not values[key]:
            wrong[key] = "form.required"
        elif len(values[key]) > longest:
            wrong[key] = ("form.too_long", {"longest": longest})
        elif any(not ch.isprintable() for ch in values[key]):
            wrong[key] = "form.unprintable"
    if wrong:
        raise Invalid(wrong)
    try:
        return people.Introduction.model_validate(values)
    except ValidationError as error:
        raise Invalid({str(item["loc"][0]): "form.choose" for item in error.errors()}) from error


@blueprint.route("/courses/<course>/programme", methods=["GET", "POST"])
def bind(course: str) -> BaseResponse | tuple[str, int]:
    """The first trainer of an unknown course says which programme it runs; an officer may put another in its place."""
    me, here = actor(), edge()
    errors: dict[str, str] = {}
    if request.method == "POST":
        chosen, instead_of = request.form.get("programme", ""), request.form.get("instead_of", "")
        try:
            courses.bind_course(db(), me, course, chosen, here.now, instead_of)
            wake_worker()
            target = url_for("people.bind", course=course, done=1) if instead_of else url_for("people.home")
            return redirect(target, 303)
        except Invalid as error:
            errors = messages.field_errors(error)
    view = courses.bind_view(db(), me, course, here.web_session.wants if here.web_session is not None else "")
    is_done = "done" in request.args and not errors
    return render_template("people/bind.html", view=view, errors=errors, is_done=is_done), 422 if errors else 200


@blueprint.get("/people")
def list_people() -> str:
    """People within reach: search, those who wait for confirmation first."""
    query, page = _query(), whole(request.args.get("page"), 1)
    only_waiting = request.args.get("waiting") == "1"
    rows, total = people.people_page(db(), actor(), query, only_waiting, page)
    return render_template(
        "people/list.html",
        rows=rows,
        total=total,
        page=page,
        pages=pages(total),
        query=query,
        only_waiting=only_waiting,
        role_word=lambda kind: role_word(RoleKind(kind)),
        stage_word=lambda stage: stage_word(Stage(stage)) if stage else "",
        is_officer=actor().has(RoleKind.OFFICER),
        may_merge=can(actor(), Permission.PERSON_MERGE, Scope(actor().tenant_id)),
        may_keep_apart=bool(people.reach(actor(), RoleKind.OFFICER, RoleKind.SCHOOL_LEAD)),
        address=lambda number: url_for(
            "people.list_people", q=query or None, waiting="1" if only_waiting else None, page=number
        ),
    )


def _query() -> str:
    """What is searched for: one line, without characters that no name has."""
    return "".join(ch for ch in request.args.get("q", "") if ch.isprintable()).strip()[:50]


@blueprint.post("/people/<person>/confirm")
def confirm(person: str) -> BaseResponse:
    """This is who they say they are."""
    people.confirm_person(db(), actor(), person, edge().now)
    target = request.form.get("next", "")
    return redirect(target if is_own_path(target) else url_for("people.list_people"), 303)


@blueprint.route("/people/<person>/roles", methods=["GET", "POST"])
def person_roles(person: str) -> BaseResponse | str | tuple[str, int]:
    """Roles of one person: an officer gives and takes them."""
    me, here = actor(), edge()
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            if "end" in request.form:
                roles.revoke_role(db(), me, person, whole(request.form["end"], 0, 0), here.now)
            else:
                kind = RoleKind(request.form.get("kind", ""))
                roles.grant_role(db(), me, person, kind, request.form.get("unit", ""), here.now)
            return redirect(url_for("people.person_roles", person=person), 303)
        except ValueError:
            errors["kind"] = messages.sentence("form.choose")
        except Invalid as error:
            errors = messages.field_errors(error)
    page = render_template(
        "people/roles.html",
        view=roles.roles_of(db(), me, person),
        errors=errors,
        role_word=role_word,
        kinds=[(kind.value, role_word(kind)) for kind in INVITED],
        units=_unit_choices(),
    )
    return (page, 422) if errors else page


def _unit_choices() -> list[tuple[str, str]]:
    """The units that the officer may name, indented as a tree."""
    units = invitations_flow.units_within(db(), actor())
    return [(unit.uuid, ("　" * max(0, unit.path.count("/") - 2)) + unit.name) for unit in units]


@blueprint.post("/notices/done")
def notice_done() -> BaseResponse:
    """知道了: the notice is done with."""
    notices.settle_notice(db(), actor(), request.form.get("kind", ""), request.form.get("key", ""), edge().now)
    return redirect(url_for("oversee.home"), 303)


@blueprint.route("/people/merge", methods=["GET", "POST"])
def merge() -> BaseResponse | str | tuple[str, int]:
    """Two rows that are one human being become one: find both, see what will happen, say which one stays. Or undo."""
    me, here = actor(), edge()
    first, second, keep = (request.values.get(name, "") for name in ("first", "second", "keep"))
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            if "undo" in request.form:
                merges.undo_merge(db(), me, request.form["undo"], here.now)
            else:
                gone, reason = _given_away(me, first, second, keep), _reason()
                merges.merge_persons(db(), me, gone, keep, reason, here.now)
            return redirect(url_for("people.merge"), 303)
        except Invalid as error:
            errors = messages.field_errors(error)
        except Refused as error:
            db().rollback()
            errors["undo" if "undo" in request.form else "keep"] = messages.sentence(error.code, error.params)
    page = _merge_page(me, first, second, keep, errors)
    return (page, 422) if errors else page


def _reason() -> str:
    """Why two rows are merged: what the ledger and the log will say. Raises Invalid."""
    reason = " ".join(request.form.get("reason", "").split())
    if not reason:
        raise Invalid({"reason": "form.required"})
    if len(reason) > merges.LONGEST_REASON:
        raise Invalid({"reason": ("form.too_long", {"longest": merges.LONGEST_REASON})})
    if not reason.isprintable():
        raise Invalid({"reason": "form.unprintable"})
    return reason


def _given_away(me: Actor, first: str, second: str, keep: str) -> str:
    """Which of the two gives its accounts to the one that is kept. Raises Invalid where not all is said."""
    require(me, Permission.PERSON_MERGE, Scope(me.tenant_id))
    if not first or not second or first == second:
        raise Invalid({"pair": "merge.two_needed"})
    if keep not in {first, second}:
        raise Invalid({"keep": "merge.keep_needed"})
    return second if keep == first else first


def _merge_page(me: Actor, first: str, second: str, keep: str, errors: dict[str, str]) -> str:
    require(me, Permission.PERSON_MERGE, Scope(me.tenant_id))
    if first and second and first != second:
        view = merge_views.question(db(), me, first, second)
        return render_template(
            "people/merge.html",
            view=view,
            keep=keep or view.proposed,
            reason=request.form.get("reason", ""),
            errors=errors,
            role_word=role_word,
        )
    query = _query()
    rows = people.people_page(db(), me, query, False, 1)[0] if query else []
    return render_template(
        "people/merge_find.html",
        rows=[row for row in rows if row.uuid != first],
        query=query,
        picked=merge_views.picked(db(), me, first) if first else None,
        lately=merge_views.merged_lately(db(), me),
        errors=errors,
    )


@blueprint.route("/invitations", methods=["GET", "POST"])
def invitations() -> BaseResponse | str | tuple[str, int]:
    """An officer invites: role and unit; the one-time link and code are shown once."""
    me, here = actor(), edge()
    units = invitations_flow.units_within(db(), me)
    made, errors = None, {}
    if request.method == "POST":
        try:
            kind = RoleKind(request.form.get("kind", ""))
            unit = {unit.uuid: unit for unit in units}[request.form.get("unit", "")]
            row, code = invitations_flow.invite(db(), me, kind, unit, here.now)
            made = {
                "code": code,
                "link": f"{parts().settings.public_url}{url_for('people.invitation', code=code)}",
                "kind": role_word(kind),
                "expires_at": row.expires_at,
            }
        except ValueError:
            errors["kind"] = messages.sentence("form.choose")
        except KeyError:
            errors["unit"] = messages.sentence("form.choose")
        except Invalid as error:
            errors = messages.field_errors(error)
    page = render_template(
        "people/invitations.html",
        made=made,
        errors=errors,
        kinds=[(kind.value, role_word(kind)) for kind in INVITED],
        units=_unit_choices(),
    )
    return (page, 422) if errors else page


@blueprint.route("/invitation/<code>", methods=["GET", "POST"])
def invitation(code: str) -> BaseResponse | str:
    """The one-time link. Signed in: take the role. Not signed in: how to use the code from the course."""
    here = edge()
    row = invitations_flow.invitation_of(db(), code, here.now)
    if here.actor is not None and row.tenant_id != here.actor.tenant_id:
        raise Refused("invitation.unusable")
    if request.method == "POST":
        return _taken(code)
    return render_template("people/invitation.html", code=code, kind=role_word(row.kind), expires_at=row.expires_at)


@blueprint.route("/me/invitation", methods=["GET", "POST"])
def enter_code() -> BaseResponse | tuple[str, int]:
    """Where the code of an invitation is typed."""
    code, error = request.form.get("code", "").strip()[:60], ""
    if request.method == "POST":
        try:
            return _taken(code)
        except Refused as refused:
            error = messages.sentence(refused.code, refused.params)
    return render_template("people/enter_code.html", code=code, error=error), 422 if error else 200


def _taken(code: str) -> BaseResponse:
    """The role is taken. Who had to prove themselves has, and sets a 签字口令 on the way if they have none."""
    me, here = actor(), edge()
    assert here.web_session is not None
    role = proofs_flow.by_invitation(db(), me, here.web_session, code, here.now)
    target = url_for("people.taken", kind=role.kind.value)
    if not me.is_guessable:
        return redirect(target, 303)
    response = redirect(proofs.address_of(target), 303)
    proofs.known_browser(response)
    return response


@blueprint.get("/me/roles/<kind>")
def taken(kind: str) -> str:
    """Somebody has taken a role: that it is so, and where its work begins. Raises NotFound for a role not held."""
    role = next((one for one in INVITED if one.value == kind), None)
    if role is None or not actor().has(role):
        raise NotFound
    first = {
        RoleKind.SCHOOL_LEAD: (_("核对本校的老师"), url_for("people.list_people", waiting=1)),
        RoleKind.TRAINER: (_("看待评材料"), url_for("cases.queue")),
        RoleKind.IT: (_("看平台"), url_for("platforms.home")),
        RoleKind.SEAL: (_("去用印"), url_for("seals.home")),
    }
    label, address = first.get(role, (_("看进度"), url_for("oversee.home")))
    return render_template("people/taken.html", kind=role_word(role), label=label, address=address)


@blueprint.post("/me/locale")
def choose_locale() -> BaseResponse:
    """Language, from now on."""
    enter.choose_locale(db(), actor(), request.form.get("locale", ""), edge().now)
    return _back()


@blueprint.post("/me/text-size")
def choose_text_size() -> BaseResponse:
    """Text size, from now on."""
    enter.choose_text_size(db(), actor(), request.form.get("text_size", ""), edge().now)
    return _back()


@blueprint.post("/me/theme")
def choose_theme() -> BaseResponse:
    """Light or dark, from now on."""
    enter.choose_theme(db(), actor(), request.form.get("theme", ""), edge().now)
    return _back()


@blueprint.post("/me/reading")
def choose_reading() -> BaseResponse:
    """The language of standards, from now on."""
    enter.choose_reading(db(), actor(), request.form.get("language", ""), edge().now)
    return _back()


def _back() -> BaseResponse:
    target = request.form.get("next", "")
    return redirect(target if is_own_path(target) else url_for("people.home"), 303)
