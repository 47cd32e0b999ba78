"""译文: the further languages of a draft, and the texts in them, written beside the official ones."""

import re
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin.errors import NotFound
from lms_plugin.flow import editing
from lms_plugin.web import formats, framework_words
from lms_plugin.web.edge import actor, db
from lms_plugin.web.editing import Answer, Form, sent
from lms_plugin.web.editing_forms import text_of

blueprint = Blueprint("languages", __name__)

KNOWN = ("ug", "bo", "kk-Arab", "mn-Mong", "ii", "za", "ko", "ru", "fr")
"""Languages that the form proposes: of teachers in China, and of neighbours."""


def _sums(content: dict[str, Any], tag: str) -> competencies.languages.Count:
    counted = competencies.languages.counts(content, tag).values()
    return competencies.languages.Count(sum(one.written for one in counted), sum(one.of for one in counted))


@blueprint.route("/curate/frameworks/<version>/languages", methods=["GET", "POST"])
def home(version: str) -> Answer:
    """The languages of a draft with how much is written in each; another one is added here."""
    draft = editing.draft(db(), actor(), version)
    form = Form({"tag": "", "title": ""})
    if request.method == "POST":
        typed = {name: text_of(request.form.get(name)) for name in form.values}
        form = sent(
            typed, lambda: editing.add_language(db(), actor(), version, typed["tag"], typed["title"]), lambda: typed
        )
        if form.is_taken:
            tag = competencies.languages.tag_of(typed["tag"])
            return redirect(url_for("languages.overview", version=version, tag=tag), 303)
    listed = competencies.languages.languages_of(draft.content)
    shown = render_template(
        "languages/home.html",
        draft=draft,
        lines=[(tag, _sums(draft.content, tag)) for tag in listed],
        known=[(tag, formats.language_name(tag)) for tag in KNOWN if tag not in listed],
        values=form.values,
        errors=form.errors,
    )
    return shown, form.status


def _listed(draft: editing.Draft, tag: str) -> None:
    if tag not in competencies.languages.languages_of(draft.content):
        raise NotFound


@blueprint.get("/curate/frameworks/<version>/languages/<tag>")
def overview(version: str, tag: str) -> str:
    """One language: the standard itself and each point, with how much of it is written."""
    draft = editing.draft(db(), actor(), version)
    _listed(draft, tag)
    counted = competencies.languages.counts(draft.content, tag)
    points = sorted(draft.content["points"], key=lambda one: one["order"])
    return render_template(
        "languages/overview.html",
        draft=draft,
        tag=tag,
        head=counted[""],
        points=[(one["code"], competencies.languages.words(one, "name"), counted[one["code"]]) for one in points],
        sums=_sums(draft.content, tag),
    )


@blueprint.post("/curate/frameworks/<version>/languages/<tag>/drop")
def drop(version: str, tag: str) -> BaseResponse:
    """Takes a language out with all its texts."""
    editing.drop_language(db(), actor(), version, tag, str(request.form.get("seen", "")))
    return redirect(url_for("languages.home", version=version), 303)


@blueprint.route("/curate/frameworks/<version>/languages/<tag>/head", methods=["GET", "POST"])
def head(version: str, tag: str) -> Answer:
    """The standard's own texts: name, notice, environments, dimensions, levels."""
    return _texts(version, tag, "")


@blueprint.route("/curate/frameworks/<version>/languages/<tag>/points/<code>", methods=["GET", "POST"])
def point(version: str, tag: str, code: str) -> Answer:
    """The texts of one point with its evidence and criteria."""
    return _texts(version, tag, code)


def _texts(version: str, tag: str, code: str) -> Answer:
    def stands() -> dict[str, Any]:
        now = editing.draft(db(), actor(), version)
        return {one.name: one.told for one in competencies.languages.texts(now.content, tag, code)}

    draft = editing.draft(db(), actor(), version)
    _listed(draft, tag)
    if code:
        competencies.editing.point_of(draft.content, code)
    form = Form(stands())
    if request.method == "POST":
        typed = {one.name: _typed(one) for one in competencies.languages.texts(draft.content, tag, code)}
        seen = str(request.form.get("seen", ""))
        form = sent(
            typed,
            lambda: editing.translate(db(), actor(), version, tag, code, typed, seen),
            stands,
            lambda problem: next(
                (
                    one.name
                    for one in competencies.languages.texts(draft.content, tag, code)
                    if one.where == problem.where
                ),
                "",
            ),
        )
        if form.is_taken:
            return redirect(_next(version, tag, code), 303)
        draft = editing.draft(db(), actor(), version)
        _listed(draft, tag)
    texts = competencies.languages.texts(draft.content, tag, code)
    levels = competencies.frameworks.own_words(draft.content["framework"]["levels"])
    is_again = request.method == "POST" and not form.is_clash
    shown = render_template(
        "languages/texts.html",
        draft=draft,
        tag=tag,
        code=code,
        texts=[(one, framework_words.text_word(one, levels)) for one in texts],
        missing=sum(not one.told for one in texts),
        values=form.values,
        errors=form.errors,
        beyond=form.beyond,
        is_clash=form.is_clash,
        seen=str(request.form.get("seen", ""))
        if is_again
        else competencies.edition(competencies.languages.sheet(draft.content, tag, code)),
    )
    return shown, form.status


def _typed(text: competencies.languages.Text) -> str:
    """What was typed for a text; one that the form did not have, because it is new, stays. Names have one line."""
    if text.name not in request.form:
        return text.told
    typed = text_of(request.form[text.name])
    return re.sub(r"\s*\n\s*", " ", typed) if text.longest == competencies.languages.LINE else typed


def _next(version: str, tag: str, code: str) -> str:
    """Where a translator goes on: the next point in which something is missing, where the button asked for it."""
    draft = editing.draft(db(), actor(), version)
    if tag not in competencies.languages.languages_of(draft.content):
        return url_for("languages.home", version=version)
    if request.form.get("then") == "next":
        counted = competencies.languages.counts(draft.content, tag)
        codes = [one["code"] for one in sorted(draft.content["points"], key=lambda one: one["order"])]
        at = codes.index(code) + 1 if code in codes else 0
        for one in (*codes[at:], *codes[:at]):
            if counted[one].written < counted[one].of and one != code:
                return url_for("languages.point", version=version, tag=tag, code=one)
    return url_for("languages.overview", version=version, tag=tag)
