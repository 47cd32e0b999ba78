"""抽查台账: the auditor's first page, a draw (which prints as its report), and the proof of one entry."""

import re
from collections.abc import Iterable
from datetime import date

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
import rubrics
from lms_plugin.db import new_uuid, writes
from lms_plugin.errors import Invalid
from lms_plugin.flow import audit, audit_moves, audit_proof, audit_views, blindness, conflicts, replays, review_trail
from lms_plugin.web import flags, ledger_words, marks, messages
from lms_plugin.web.category_form import category_words
from lms_plugin.web.chain import drawn_word, state_words
from lms_plugin.web.deliveries import kind_word as column_word
from lms_plugin.web.deliveries import told
from lms_plugin.web.edge import actor, db, edge, parts
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import pages, whole
from lms_plugin.web.programme_words import rule_words
from lms_plugin.web.training_form import file_words, way_word
from lms_plugin.web.transfers import event_word

blueprint = Blueprint("audit", __name__)

FIELDS = ("programme", "unit", "since", "until", "wanted", "seed", "key")
USUAL = 20  # entries of a draw, unless the auditor says otherwise


def finding_word(finding: str) -> tuple[str, str]:
    """(kind, word) of a finding."""
    words = {
        competencies.IN_ORDER: ("good", _("没有问题")),
        competencies.QUESTION: ("stop", _("有疑问")),
        competencies.OPENED: ("note", _("打开过")),
    }
    return words.get(finding, ("wait", _("还没查")))


@blueprint.get("/audit")
def home() -> str:
    """What can be drawn from, and the draws that there are."""
    return _home({"wanted": str(USUAL), "key": new_uuid()}, {})


def _home(values: dict[str, str], errors: dict[str, str]) -> str:
    page = whole(request.args.get("page"), 1)
    view = audit_views.home(db(), actor(), page)
    return render_template(
        "audit/home.html",
        view=view,
        values={**dict.fromkeys(FIELDS, ""), **values},
        errors=errors,
        page=page,
        pages=pages(view.total, audit.PAGE),
        address=lambda number: url_for("audit.home", page=number),
    )


@blueprint.post("/audit/draws")
def draw() -> BaseResponse | tuple[str, int]:
    """Draws."""
    values = {name: request.form.get(name, "").strip()[:200] for name in FIELDS}
    try:
        row = audit.draw(db(), actor(), _wish(values), edge().now)
    except Invalid as invalid:
        db().rollback()
        return _home(values, messages.field_errors(invalid)), 422
    return redirect(url_for("audit.one", draw=row.uuid), 303)


def _wish(values: dict[str, str]) -> audit.Wish:
    days: dict[str, date | None] = {}
    for name in ("since", "until"):
        try:
            days[name] = date.fromisoformat(values[name]) if values[name] else None
        except ValueError:
            raise Invalid({name: "form.date"}) from None
    return audit.Wish(
        programme=values["programme"],
        unit=values["unit"],
        since=days["since"],
        until=days["until"],
        wanted=whole(values["wanted"], 0, least=0, most=100_000),
        seed=values["seed"],
        key=values["key"],
    )


@blueprint.get("/audit/draws/<draw>")
def one(draw: str) -> str:
    """A draw with its entries; it prints as the report. `again`: draws once more by the seed and says what came out."""
    view = audit_views.draw_page(db(), actor(), draw, again="again" in request.args)
    page = render_template(
        "audit/draw.html",
        view=view,
        faults=_told(view.faults),
        finding_word=finding_word,
        kind_word=ledger_words.kind_word,
        printed_at=edge().now,
    )
    return _readable(page)


@blueprint.route("/audit/draws/<draw>/<int:position>", methods=["GET", "POST"])
def entry(draw: str, position: int) -> BaseResponse | tuple[str, int]:
    """The proof of one entry, and what the auditor says of it; after that the next one."""
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            following = audit.say(
                db(),
                actor(),
                draw,
                position,
                request.form.get("finding", ""),
                request.form.get("remark", ""),
                edge().now,
            )
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
        else:
            if following:
                return redirect(url_for("audit.entry", draw=draw, position=following), 303)
            return redirect(url_for("audit.one", draw=draw), 303)
    view = audit_proof.proof_page(db(), actor(), draw, position)
    settings, rule = parts().settings, view.around.rule
    page = render_template(
        "audit/entry.html",
        view=view,
        said={"finding": request.form.get("finding", view.finding), "remark": request.form.get("remark", view.remark)},
        errors=errors,
        rules=rule_words(rule.rules) if rule is not None and rule.rules is not None else [],
        faults=_told(view.proof.faults),
        keep_removed_days=settings.keep_removed_days,
        log_days=settings.log_days,
        finding_word=finding_word,
        kind_word=ledger_words.kind_word,
        basis_words=ledger_words.basis_words,
        review_word=review_word,
        column_word=column_word,
        told=told,
        way_word=way_word,
        file_kinds=file_words(),
        drawn_word=drawn_word,
        batch_word=state_words,
        moves=audit_moves.WORDS,
        event_word=event_word,
        category_words={"": "", **category_words()},
        printed_at=edge().now,
    )
    if view.is_new:  # all that was read is read: one line is written, and the edge commits it
        who = actor()
        db().rollback()
        audit.opened(writes(db()), who, view.draw_id, view.unit_path, position, edge().now)
    return _readable(page), 422 if errors else 200


@blueprint.get("/audit/works/<submission>")
def trail(submission: str) -> str:
    """评审留痕 of one work: every review of every version, and who saw what when."""
    return render_template(
        "audit/trail.html",
        view=review_trail.trail(db(), actor(), submission),
        review_word=review_word,
        level_word=marks.level_word,
        event_word=done_word,
    )


@blueprint.get("/audit/allotments/<programme>")
def allotments(programme: str) -> str:
    """The allotments of a programme's reviews; `again` draws one of them once more and says whether it is the same."""
    return render_template(
        "audit/allotments.html", view=replays.allotments(db(), actor(), programme, request.args.get("again", ""))
    )


def done_word(event: review_trail.EventLine) -> str:
    """What somebody did with a work, in words, and why a review ended."""
    if event.file:
        return str(_("看了材料：%(name)s", name=event.file))
    if event.is_file:
        return str(_("看了一份材料（文件名已清除）"))
    why = {
        rubrics.OWN: _("是本人，或是同一份的另一位评审人"),
        blindness.SAW_THE_AUTHOR: _("以别的身份看得到作者"),
        conflicts.CONFLICT: _("登记了回避关系"),
        "agreed": _("成批确认互评一致的"),
        "again": _("照规定再找"),
        "district": _("放宽到全区县"),
        "trainer": _("由一位评审员定"),
        **{kind.value: flags.kind_word(kind.value) for kind in rubrics.FlagKind},
    }.get(event.detail, _of_rules(event))
    words = {
        "viewed": _("打开了这份材料"),
        "opened": _("打开了评审"),
        "submitted": _("交了评审"),
        "recused": _("回避"),
        "declined": _("说明不评"),
        "void": _("评审作废"),
        "handed_on": _("没有按时评，转给别人"),
        "taken_up_again": _("接着评"),
        "brought_back": _("评审恢复"),
        "decided": _("定了等级"),
        "returned": _("退回修改"),
        "decision_void": _("等级作废"),
        "passed_clear": _("照项目规定自动通过"),
        "undone": _("撤销了等级"),
        "reopened": _("标准改了，退回来补评"),
        "claimed": _("领了一份"),
        "recounted": _("照新的标准重算了评审"),
        "calibrated": _("交了校准的评审"),
        "flagged": _("请评审员看看"),
        "flag_settled": _("看过了提的问题"),
        "late_accepted": _("接收迟交的"),
        "late_declined": _("不接收迟交的"),
        "appealed": _("申请复核"),
        "appeal_asked": _("请来复核"),
        "appeal_opened": _("打开了复核"),
        "appeal_marked": _("交了复核"),
        "appeal_recused": _("复核时回避"),
        "appeal_late": _("没有按时复核，请了别人"),
        "appeal_panel": _("定了请谁复核的办法"),
        "appeal_settled": _("复核有了结果"),
        "appeal_withdrawn": _("撤回了复核申请"),
    }
    done = str(words.get(event.kind, event.kind))
    return f"{done}{_('：')}{why}" if why else done


def _of_rules(event: review_trail.EventLine) -> str:
    """What the product noted of itself, in words; other reasons as they were written."""
    if event.kind == "recounted" and (found := _RECOUNTED.fullmatch(event.detail)):
        before, after = (marks.point_word(int(one), None) if one else "–" for one in found.groups())
        return str(_("能力点由%(before)s改为%(after)s", before=before, after=after))
    if event.kind == "passed_clear" and (found := _PASSED_CLEAR.match(event.detail)):
        number, content_hash, given = found.groups()
        return str(
            _(
                "规则第 %(number)s 版（校验值 %(hash)s），%(n)s 份评审都判合格",
                number=number,
                hash=content_hash,
                n=len(given.split()),
            )
        )
    return event.detail


_RECOUNTED = re.compile("criteria ([012]?)>([012])")
_PASSED_CLEAR = re.compile(r"rules (\d+) ([0-9a-f]+) · reviews ([0-9: ]+)")


def _told(faults: Iterable[competencies.Fault]) -> list[str]:
    return [messages.sentence(one.code, {"seals": one.seals or "–", "entry": one.entry}) for one in faults]


def _readable(page: str) -> str:
    """The page without what is no text: bytes that somebody wrote into the database past the product."""
    return page.encode("utf-8", "backslashreplace").decode()


def review_word(state: str) -> str:
    """Where a reviewer's part stands."""
    words = {
        "allotted": _("分到了，没有打开"),
        "open": _("打开了，没有交"),
        "submitted": _("已交"),
        "recused": _("回避"),
        "handed_on": _("没有按时评，已转给别人"),
        "void": _("作废（材料撤回或换了版本）"),
    }
    return str(words.get(state, state))
