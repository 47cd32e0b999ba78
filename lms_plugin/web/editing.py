"""改标准: the forms of a draft: itself, its points, their evidence with criteria."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import editing
from lms_plugin.web import editing_forms, framework_words, messages
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.editing_forms import Values
from lms_plugin.web.formats import gettext as _

blueprint = Blueprint("editing", __name__)

Answer = BaseResponse | tuple[str, int]


@dataclass
class Form:
    """What came of a form that was sent: taken, or to be shown again with what stands in the way."""

    values: Values
    errors: dict[str, str] = field(default_factory=dict)
    beyond: list[str] = field(default_factory=list)  # faults that no field is to blame for
    is_clash: bool = False
    is_taken: bool = False

    @property
    def status(self) -> int:
        """Of the page that shows it."""
        return 409 if self.is_clash else 422 if self.errors or self.beyond else 200


def sent(
    values: Values,
    act: Callable[[], Any],
    stands: Callable[[], Values],
    field_of: Callable[[competencies.PackProblem], str] = editing_forms.field_of,
) -> Form:
    """Does what a form asks for. A fault is told beside its field; where somebody else saved first, the form comes back
    as it was typed, with what stands now beside each field that says otherwise. `field_of`: the field of a fault of the
    pack, "" for none."""
    try:
        act()
    except Invalid as invalid:
        db().rollback()
        return Form(values, messages.field_errors(invalid))
    except Conflict as clash:
        if clash.code != "framework.changed":
            raise
        db().rollback()
        now = stands()
        values = editing_forms.rows_apart(values, now)
        told = {
            name: _("现在存的是：%(value)s", value=text or _("（空）"))
            for name, text in editing_forms.differing(values, now).items()
            if not _is_row_of_one(name, values, now)
        }
        return Form(editing_forms.with_rows_of(values, now), told, is_clash=True)
    except Refused as refused:
        if refused.code != "pack.invalid":
            raise
        db().rollback()
        form = Form(values)
        for problem in refused.params["problems"]:
            said = messages.sentence(problem.code, {"where": problem.where, "found": problem.found})
            name = field_of(problem)
            if name in values:
                form.errors.setdefault(name, said)
            else:
                form.beyond.append(said)
        return form
    return Form(values, is_taken=True)


def _is_row_of_one(name: str, values: Values, now: Values) -> bool:
    """Whether a field belongs to a row that only one of the two has: nothing stands against it."""
    letter, _dot, rest = name.partition(".")
    return bool(rest) and (rest.partition(".")[0] in values[letter]) != (rest.partition(".")[0] in now[letter])


def _page(template: str, draft: editing.Draft, form: Form, **more: Any) -> tuple[str, int]:
    shown = render_template(
        f"editing/{template}.html",
        draft=draft,
        values=form.values,
        errors=form.errors,
        beyond=form.beyond,
        is_clash=form.is_clash,
        head=draft.content["framework"],
        kind_word=framework_words.kind_word,
        level_words=framework_words.level_words(draft.content),
        rules=[(rule, editing_forms.rule_word(rule)) for rule in editing_forms.RULES],
        may_weigh=competencies.editing.may_weigh(draft.content),
        is_weighted=competencies.editing.is_weighted(draft.content),
        **more,
    )
    return shown, form.status


def _seen() -> str:
    return str(request.form.get("seen", ""))


def _back(version: str, code: str = "") -> BaseResponse:
    """To the draft, at the point that was changed."""
    return redirect(url_for("curate.framework", version=version, point=code or None), 303)


@blueprint.route("/curate/begin", methods=["GET", "POST"])
def begin() -> Answer:
    """Where a draft begins: as the next version of a published one, or as a standard of the district's own."""
    bases = editing.bases(db(), actor())
    first = str(request.args.get("from", "")) or next((one.uuid or one.pack for one in bases), "")
    values = {"how": "next", "base": first, "title_zh": "", "title_en": "", "code": ""}
    form = Form(values)
    if request.method == "POST":
        typed = {name: str(request.form.get(name, "")).strip()[:600] for name in values}
        made: list[str] = []

        def act() -> None:
            if typed["how"] == "own":
                title = {"zh": typed["title_zh"], "en": typed["title_en"]}
                made.append(editing.begin_own(db(), actor(), typed["base"], typed["code"], title, edge().now).uuid)
            elif any(one.uuid == typed["base"] for one in bases if one.uuid):
                made.append(editing.begin_next(db(), actor(), typed["base"], edge().now).uuid)
            else:
                known = any(one.pack == typed["base"] for one in bases if one.pack)
                raise Invalid({"how": "framework.pack_needs_own"} if known else {"base": "form.choose"})

        form = sent(typed, act, lambda: typed)
        if form.is_taken:
            return _back(made[0])
    shown = render_template("editing/begin.html", bases=bases, values=form.values, errors=form.errors)
    return shown, form.status


@blueprint.route("/curate/frameworks/<version>/discard", methods=["GET", "POST"])
def discard(version: str) -> Answer:
    """Asks before a draft is thrown away; the second button does it."""
    if request.method == "POST":
        editing.discard(db(), actor(), version, _seen(), edge().now)
        return redirect(url_for("curate.home"), 303)
    return render_template("editing/discard.html", draft=editing.draft(db(), actor(), version)), 200


@blueprint.route("/curate/frameworks/<version>/head", methods=["GET", "POST"])
def head(version: str) -> Answer:
    """The standard itself: name, notice, environments, dimensions, words of the levels."""

    def stands() -> Values:
        return editing_forms.head_values(editing.draft(db(), actor(), version).content["framework"])

    draft = editing.draft(db(), actor(), version)
    form = Form(stands())
    if request.method == "POST":
        typed = editing_forms.head_typed(request.form)
        base = competencies.editing.head_words(draft.content)
        form = sent(
            typed,
            lambda: editing.change_head(db(), actor(), version, editing_forms.parse_head(typed, base), _seen()),
            stands,
        )
        if form.is_taken:
            return _back(version)
        draft = editing.draft(db(), actor(), version)
    form.values = editing_forms.head_blanks(form.values)
    seen = _seen_now(form, competencies.editing.head_words(draft.content))
    return _page("head", draft, form, seen=seen)


def _seen_now(form: Form, part: Any) -> str:
    """What the form was made from: of one that is sent again after a fault still the same as before, else what stands
    now."""
    is_again = request.method == "POST" and not form.is_clash
    return _seen() if is_again else competencies.edition(part)


@blueprint.route("/curate/frameworks/<version>/new-point", methods=["GET", "POST"])
def new_point(version: str) -> Answer:
    """A new point, with the evidence of another one to begin from."""
    draft = editing.draft(db(), actor(), version)
    first = draft.content["points"][0]
    values = editing_forms.point_values({"environment": first["environment"], "dimension": first["dimension"]})
    form = Form({**values, "like": first["code"]})
    if request.method == "POST":
        typed = editing_forms.point_typed(request.form)
        form = sent(
            typed,
            lambda: editing.add_point(
                db(),
                actor(),
                version,
                editing_forms.parse_point(typed, {}, draft.content["framework"]),
                typed["like"],
            ),
            lambda: typed,
        )
        if form.is_taken:
            return _back(version, typed["code"])
    return _page("point", draft, form, code="", seen="")


@blueprint.route("/curate/frameworks/<version>/points/<code>", methods=["GET", "POST"])
def point(version: str, code: str) -> Answer:
    """A point's own words."""

    def stands() -> Values:
        now = editing.draft(db(), actor(), version)
        return editing_forms.point_values(_words_of(now, code))

    draft = editing.draft(db(), actor(), version)
    if request.method == "POST":
        typed = editing_forms.point_typed(request.form)
        known = {one["code"] for one in draft.content["points"]}
        if not {code, typed["code"]} & known:
            return _gone("point", draft, typed, code=code, seen="", seen_whole="")
        # After a second click the point may be called by its new code already.
        base = _words_of(draft, code if code in known else typed["code"])
        form = sent(
            typed,
            lambda: editing.change_point(
                db(),
                actor(),
                version,
                code,
                editing_forms.parse_point(typed, base, draft.content["framework"]),
                _seen(),
                edge().now,
            ),
            stands,
        )
        if form.is_taken:
            return _back(version, typed["code"])
        draft = editing.draft(db(), actor(), version)
    else:
        form = Form(stands())
    found = competencies.editing.point_of(draft.content, code)
    return _page(
        "point",
        draft,
        form,
        code=code,
        seen=_seen_now(form, competencies.editing.own_words(found)),
        seen_whole=competencies.edition(found),
    )


def _words_of(draft: editing.Draft, code: str) -> dict[str, Any]:
    return competencies.editing.own_words(competencies.editing.point_of(draft.content, code))


def _gone(template: str, draft: editing.Draft, typed: Values, **more: Any) -> Answer:
    """Somebody else took away what was being changed: what was typed is shown, to be used elsewhere."""
    form = Form(
        typed, beyond=[_("您打开以后，别人去掉了它，或改了它的编号，这次没有保存。您填的都在下面，可以复制到别处。")]
    )
    return _page(template, draft, form, **more)[0], 409


@blueprint.post("/curate/frameworks/<version>/points/<code>/drop")
def drop_point(version: str, code: str) -> BaseResponse:
    """Takes a point out."""
    editing.drop_point(db(), actor(), version, code, _seen())
    return _back(version)


@blueprint.post("/curate/frameworks/<version>/points/<code>/move")
def shift_point(version: str, code: str) -> BaseResponse:
    """Moves a point one place."""
    editing.shift_point(db(), actor(), version, code, _by())
    return _back(version, code)


def _by() -> int:
    return -1 if request.form.get("by") == "-1" else 1


@blueprint.route("/curate/frameworks/<version>/points/<code>/new-item", methods=["GET", "POST"])
def new_item(version: str, code: str) -> Answer:
    """A new item of evidence of a point."""
    draft = editing.draft(db(), actor(), version)
    found = competencies.editing.point_of(draft.content, code)
    form = Form(editing_forms.item_first(found))
    if request.method == "POST":
        typed = editing_forms.item_typed(request.form)
        form = sent(
            typed,
            lambda: editing.add_item(db(), actor(), version, code, editing_forms.parse_item(typed, {})),
            lambda: typed,
        )
        if form.is_taken:
            return _back(version, code)
    form.values = editing_forms.with_blanks(form.values)
    return _page("item", draft, form, point=found, key="", seen="")


@blueprint.route("/curate/frameworks/<version>/points/<code>/items/<key>", methods=["GET", "POST"])
def item(version: str, code: str, key: str) -> Answer:
    """An item of evidence with its checks and criteria."""

    def stands() -> Values:
        now = editing.draft(db(), actor(), version)
        return editing_forms.item_values(_item_of(now, code, key))

    draft = editing.draft(db(), actor(), version)
    typed = {**editing_forms.item_typed(request.form), "key": key}
    try:
        found = base = _item_of(draft, code, key)
    except NotFound:
        if request.method == "GET":
            raise
        lost = {"code": code, "name_zh": "", "evidence": []}
        typed = editing_forms.with_blanks(typed)
        return _gone("item", draft, typed, point=lost, key=key, seen="", seen_whole="")
    form = Form(stands())
    if request.method == "POST":
        form = sent(
            typed,
            lambda: editing.change_item(db(), actor(), version, code, editing_forms.parse_item(typed, base), _seen()),
            stands,
        )
        if form.is_taken:
            return _back(version, code)
        draft = editing.draft(db(), actor(), version)
        found = _item_of(draft, code, key)
    form.values = editing_forms.with_blanks(form.values)
    return _page(
        "item",
        draft,
        form,
        point=competencies.editing.point_of(draft.content, code),
        key=key,
        seen=_seen_now(form, competencies.editing.item_words(found)),
        seen_whole=competencies.edition(found),
    )


def _item_of(draft: editing.Draft, code: str, key: str) -> dict[str, Any]:
    return competencies.editing.item_of(competencies.editing.point_of(draft.content, code), key)


@blueprint.post("/curate/frameworks/<version>/points/<code>/items/<key>/drop")
def drop_item(version: str, code: str, key: str) -> Answer:
    """Takes an item of evidence out. Where it is the last one that is graded, its own page says so."""
    try:
        editing.drop_item(db(), actor(), version, code, key, _seen())
    except Invalid as invalid:
        db().rollback()
        draft = editing.draft(db(), actor(), version)
        found = competencies.editing.point_of(draft.content, code)
        own = competencies.editing.item_of(found, key)
        values = editing_forms.with_blanks(editing_forms.item_values(own))
        form = Form(values, messages.field_errors(invalid))
        seen = competencies.edition(competencies.editing.item_words(own))
        return _page("item", draft, form, point=found, key=key, seen=seen, seen_whole=competencies.edition(own))
    return _back(version, code)


@blueprint.post("/curate/frameworks/<version>/points/<code>/items/<key>/move")
def shift_item(version: str, code: str, key: str) -> BaseResponse:
    """Moves an item one place."""
    editing.shift_item(db(), actor(), version, code, key, _by())
    return _back(version, code)
