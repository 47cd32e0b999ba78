"""参照框架, and which of their items a district's points are mapped to."""

import re

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid
from lms_plugin.flow import crosswalk as crosswalks
from lms_plugin.flow import references
from lms_plugin.web import messages
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.formats import told
from lms_plugin.web.forms import whole

blueprint = Blueprint("references", __name__)


def kind_words() -> dict[str, str]:
    """What a link says of a point and an item, by CASE association type."""
    return {
        "isRelatedTo": _("有关"),
        "exactMatchOf": _("内容一致"),
        "isPartOf": _("是它的一部分"),
        "isPeerOf": _("同级、相近"),
    }


def item_word(kind: str) -> str:
    """What a reference framework calls an item; a word of its own as it is."""
    words = {
        "dimension": _("维度"),
        "subdimension": _("二级维度"),
        "indicator": _("指标"),
        "aspect": _("方面"),
        "area": _("领域"),
        "competence": _("能力"),
        "item": _("条目"),
    }
    return str(words.get(kind, kind))


def event_word(event: references.Event) -> str:
    """What became of a standard, as one line."""
    told_of = {key: event.details.get(key, "") for key in ("number", "count", "point", "reference", "item", "title")}
    words = {
        "taken_in": _("收入参照框架 %(code)s 第 %(number)s 版", code=event.code, number=told_of["number"]),
        "discarded": _("扔掉草稿 %(code)s 第 %(number)s 版", code=event.code, number=told_of["number"]),
        "links_proposed": _("%(code)s：收入 %(count)s 条拟议对照", code=event.code, count=told_of["count"]),
    }
    link = f"{told_of['point']} – {told_of['reference']} {told_of['item']}"
    links = {
        "link_added": _("%(code)s：加上对照 %(link)s", code=event.code, link=link),
        "link_confirmed": _("%(code)s：核对过对照 %(link)s", code=event.code, link=link),
        "link_dropped": _("%(code)s：去掉对照 %(link)s", code=event.code, link=link),
    }
    return str({**words, **links}.get(event.kind, event.kind))


def forms() -> list[tuple[str, str, str]]:
    """The files in which a framework leaves: form, word, what it is."""
    return [
        ("xlsx", "Excel", ""),
        ("csv", "CSV", ""),
        ("case", "CASE 1.0", _("（标准交换格式）")),
        ("pack", "JSON", _("（本产品的格式）")),
    ]


@blueprint.get("/curate/references")
def home() -> str:
    """The catalogue, and what became of the district's standards."""
    return render_template("references/home.html", view=references.catalogue(db(), actor()), event_word=event_word)


@blueprint.post("/curate/references/shipped/<name>")
def take_in(name: str) -> BaseResponse:
    """Takes in one that ships ("all": all of them)."""
    references.take_in_shipped(db(), actor(), name, edge().now)
    return redirect(url_for("references.home"), 303)


@blueprint.get("/curate/references/<edition>")
def page(edition: str) -> str:
    """One reference framework: its items with the points that are mapped to them, its credit and licence."""
    number = whole(request.args.get("page"), 1, least=1)
    view = references.reference(db(), actor(), edition, number)
    return render_template("references/page.html", view=view, item_word=item_word, forms=forms())


@blueprint.get("/curate/references/<edition>/file")
def download(edition: str) -> BaseResponse:
    """An edition as a file; `as` names the form."""
    file = references.download(db(), actor(), edition, request.args.get("as", "case"))
    answer = make_response(file.data)
    answer.headers["Content-Type"] = file.mime
    name = re.sub(r"[^A-Za-z0-9_.\-]", "_", file.filename)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@blueprint.get("/curate/frameworks/<version>/crosswalk")
def crosswalk(version: str) -> tuple[str, int]:
    """The points of a standard with what they are mapped to."""
    return _crosswalk(version, {}, {})


def _crosswalk(version: str, values: dict[str, str], errors: dict[str, str]) -> tuple[str, int]:
    view = crosswalks.crosswalk(db(), actor(), version)
    asked = str(request.values.get("point", ""))
    current = next((one for one in view.points if one.code == asked), view.points[0])
    wanted = str(request.values.get("reference", ""))
    known = [uuid for uuid, _short in view.references]
    reference = wanted if wanted in known else (known[0] if known else "")
    items = references.items_to_choose(db(), actor(), reference) if reference and view.may_curate else None
    shown = render_template(
        "references/crosswalk.html",
        view=view,
        current=current,
        reference=reference,
        items=[(code, f"{code} {told(words)}") for code, words in items] if items is not None else None,
        kind_words=kind_words(),
        values=values,
        errors=errors,
    )
    return shown, 422 if errors else 200


@blueprint.post("/curate/frameworks/<version>/crosswalk/propose")
def propose(version: str) -> BaseResponse:
    """Takes in the links that ship, as proposals."""
    made = crosswalks.propose(db(), actor(), version, edge().now)
    return redirect(url_for("references.crosswalk", version=version, made=made), 303)


@blueprint.post("/curate/frameworks/<version>/crosswalk/add")
def add(version: str) -> BaseResponse | tuple[str, int]:
    """Maps a point to an item."""
    values = {key: str(request.form.get(key, ""))[:200] for key in ("point", "reference", "item", "kind")}
    try:
        crosswalks.add(db(), actor(), version, **values, now=edge().now)
    except Invalid as invalid:
        db().rollback()
        return _crosswalk(version, values, messages.field_errors(invalid))
    return redirect(url_for("references.crosswalk", version=version, point=values["point"]), 303)


@blueprint.post("/curate/frameworks/<version>/crosswalk/checked")
def checked(version: str) -> BaseResponse:
    """All links of a point were checked; the page goes on to the next point that has some to check."""
    point = request.form.get("point", "")[:40]
    seen = {}
    for told_of in request.form.getlist("seen")[:500]:
        uuid, _sign, number = told_of.partition(":")
        seen[uuid] = whole(number, 0, least=0)
    crosswalks.confirm_all(db(), actor(), version, point, seen, edge().now)
    view = crosswalks.crosswalk(db(), actor(), version)
    waiting = [one.code for one in view.points if not all(link.is_confirmed for link in one.links)]
    return redirect(url_for("references.crosswalk", version=version, point=waiting[0] if waiting else point), 303)


@blueprint.post("/curate/frameworks/<version>/crosswalk/<mapping>")
def decide(version: str, mapping: str) -> BaseResponse | tuple[str, int]:
    """A link was checked, or is dropped."""
    seen = whole(request.form.get("version"), 0, least=0)
    act = request.form.get("act")
    if act not in {"keep", "drop"}:
        return _crosswalk(version, {}, {})
    crosswalks.decide(db(), actor(), version, mapping, seen, edge().now, keeps=act == "keep")
    return redirect(url_for("references.crosswalk", version=version, point=request.form.get("point", "")[:40]), 303)


@blueprint.get("/programmes/<programme>/standards")
def mine(programme: str) -> str:
    """For a teacher: which items of other standards the points of the round are mapped to."""
    title, points = crosswalks.own_round(db(), actor(), programme)
    asked = request.args.get("point", "")
    return render_template(
        "references/mine.html",
        title=title,
        programme=programme,
        points=sorted(points, key=lambda one: one.code != asked),
        asked=asked,
        kind_words=kind_words(),
    )
