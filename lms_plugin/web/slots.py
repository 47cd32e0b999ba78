"""Words and addresses of a requirement's place on the point page."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import url_for

from competencies import LENGTH_OVER, MOST_PIECES
from lms_plugin.errors import Invalid, NotFound, Refused
from lms_plugin.flow.point_view import PieceLine, PointPage, Slot
from lms_plugin.web import formats, marks, messages
from lms_plugin.web.formats import gettext as _

Marks = Mapping[str, Mapping[str, int]]
Ticks = Mapping[str, Sequence[str]]


def form_words() -> dict[str, str]:
    """The forms of evidence in words."""
    return {
        "document": _("文档"),
        "video": _("视频"),
        "image": _("图片"),
        "audio": _("录音"),
        "text": _("直接写"),
        "link": _("网址"),
        "data": _("数据表"),
        "slides": _("课件"),
        "sheet": _("表格"),
    }


def sentence_of(error: Refused) -> str:
    """The sentence of a refusal."""
    return messages.sentence(error.code, error.params)


def first_sentence(error: Invalid) -> str:
    """The sentence of a form's first field that does not fit."""
    found = next(iter(error.fields.values()))
    return messages.sentence(found) if isinstance(found, str) else messages.sentence(found[0], found[1])


def problem_sentence(problem: Any, page: PointPage) -> str:
    """What stands in the way, as a sentence with the item's name and the check's own words."""
    slot = page.slot(problem.requirement_key)
    params: dict[str, Any] = dict(problem.params)
    params["item"] = formats.told(slot.title) if slot is not None else problem.requirement_key
    if slot is not None and "check" in params:
        params["check"] = next((formats.told(c.text) for c in slot.checks if c.key == params["check"]), params["check"])
    return messages.sentence(problem.code, params)


def limits_sentence(slot: Slot) -> str:
    """不超过 10 分钟 · 不超过 50 MB · doc、docx、pdf."""
    said = []
    limits: Mapping[str, Any] = slot.limits
    if limits.get("max_minutes"):
        said.append(_("不超过 %(minutes)s 分钟", minutes=limits["max_minutes"]))
    if limits.get("suggested_words"):
        said.append(_("建议 %(words)s 字", words=limits["suggested_words"]))
    if set(limits.get("must_show", ())) >= {"teacher", "students"}:
        said.append(_("教师和学生都要出现在画面里"))
    if limits.get("min_students"):
        said.append(_("至少 %(count)s 名学生的", count=limits["min_students"]))
    film: Mapping[str, Any] = limits.get("video") or {}
    if film.get("max_minutes"):
        said.append(_("视频不超过 %(minutes)s 分钟", minutes=film["max_minutes"]))
    if film.get("max_mb"):
        said.append(_("视频文件不超过 %(size)s", size=formats.filesize(int(film["max_mb"]) * 1024 * 1024)))
    if limits.get("max_mb"):
        size = formats.filesize(int(limits["max_mb"]) * 1024 * 1024)
        said.append(_("其他文件每个不超过 %(size)s", size=size) if film else _("每个文件不超过 %(size)s", size=size))
    if slot.most_pieces < MOST_PIECES:
        said.append(_("最多交 %(n)s 件", n=slot.most_pieces))
    if slot.accept:
        said.append("、".join(slot.accept) if not formats.is_english() else ", ".join(slot.accept))
    return " · ".join(said)


def differing_marks(page: PointPage, mine: Marks, theirs: Marks) -> list[tuple[str, str, str, str]]:
    """Where two windows mark differently: field, criterion, this window's level, the other's."""
    found = []
    for slot in page.slots:
        for line in slot.criteria:
            one, other = (side.get(slot.key, {}).get(line.key) for side in (mine, theirs))
            if one != other:
                asked = formats.told(line.texts.get(1) or line.texts.get(2) or {})
                words = [marks.level_word(level, line.is_validity, page.level_words) or "–" for level in (one, other)]
                said = f"{formats.told(slot.title)}{_('：')}{asked}"
                found.append((f"{slot.key}.{line.key}", said, words[0], words[1]))
    return found


def differing_ticks(page: PointPage, mine: Ticks, theirs: Ticks) -> list[tuple[str, str, str, str]]:
    """Where two windows tick differently: field, check, this window's tick, the other's."""
    found = []
    for slot in page.slots:
        texts = {check.key: formats.told(check.text) for check in slot.checks}
        texts[LENGTH_OVER] = _("时长超出要求，我还是要这样交")
        for key, text in texts.items():
            one, other = (key in side.get(slot.key, ()) for side in (mine, theirs))
            if one != other:
                words = [_("已勾选") if ticked else _("没有勾选") for ticked in (one, other)]
                found.append((f"{slot.key}.{key}", f"{formats.told(slot.title)}{_('：')}{text}", words[0], words[1]))
    return found


def writable(page: PointPage, key: str, kind: str) -> Slot:
    """The slot of that key if it may take that form now. Raises NotFound, Refused."""
    slot = page.slot(key)
    if slot is None:
        raise NotFound
    if not page.is_editable:
        raise Refused("submit.already_handed_in")
    if slot.stands:
        raise Refused("submit.item_stands")
    if kind not in slot.takes:
        raise Refused("evidence.kind_not_taken")
    return slot


def _problem(piece: PieceLine, slot: Slot) -> str:
    return messages.sentence(piece.problem, {"accept": "、".join(slot.accept), "name": piece.name})


def place(page: PointPage, slot: Slot, told: Sequence[str] = ()) -> dict[str, Any]:
    """What `ui.file_slot` shows of a requirement; `told`: what to say of files that did not get as far as its list."""
    locked = not page.is_editable or slot.stands
    at: dict[str, Any] = {"submission": page.uuid, "key": slot.key}
    refused = [piece for piece in slot.pieces if piece.state == "refused"]
    said = [_problem(refused[0], slot)] if len(refused) == 1 else []
    said = said or [f"{piece.name}{_('：')}{_problem(piece, slot)}" for piece in refused]
    return {
        "id": f"{page.uuid}-{slot.key}",
        "number": slot.number,
        "title": formats.reads(slot.title, formats.languages_in(page.name)),
        "kind": " / ".join(form_words().get(kind, kind) for kind in slot.takes)
        + ("" if slot.is_required else _("（可以不交）")),
        "limits": limits_sentence(slot),
        "verdict": _verdict(slot),
        "files": [_file(piece, at, locked) for piece in slot.pieces],
        "error": " ".join([*said, *told]),
        "locked": locked,
        "tus": url_for("uploads.create"),
        "action": url_for("uploads.files", **at) if not slot.is_full else None,
        "refresh": None,
        "accept": "" if slot.kind == "video" else ",".join(f".{ending}" for ending in slot.accept),
        "multiple": True,
        "capture": None,
        "write": url_for("submit.text", **at) if "text" in slot.takes else None,
        "photos": url_for("submit.photos", **at) if "image" in slot.takes and slot.kind != "image" else None,
        "link": url_for("submit.link", **at) if "link" in slot.takes else None,
        "reuse": url_for("submit.reuse", **at),
        "phone": None,
    }


def _verdict(slot: Slot) -> tuple[str, str] | None:
    """What was found of a returned item: kind of notice and words, with the reason given for each criterion."""
    if slot.failed:
        reasons = [line.reason for line in slot.criteria if line.reason]
        told = _("这一项没通过，请补交新的材料。")
        return "wait", f"{told}{_('评审员的话：%(reason)s', reason=_('；').join(reasons))}" if reasons else told
    if slot.stands:
        return "good", _("这一项已经通过，不用再交。")
    return ("note", _("这一项评审员没有评，可以不动，也可以换。")) if slot.is_free else None


def photo_place(page: PointPage, slot: Slot, told: Sequence[str]) -> dict[str, Any]:
    """What `ui.file_slot` shows on the page of photos: the photos alone, and no other way in."""
    at: dict[str, Any] = {"submission": page.uuid, "key": slot.key}
    names = {piece.name for piece in slot.pieces if piece.kind == "image" or piece.state != "ready"}
    whole = place(page, slot, told)
    return whole | {
        "number": None,
        "title": _("照片"),
        "kind": "",
        "verdict": None,
        "limits": _("jpg、png、heic 都可以，最多 9 张。浏览器不能分段上传时，一次合起来不超过 64 MB，可以分几次传。"),
        "files": [file for file in whole["files"] if file["name"] in names],
        "action": url_for("uploads.photos", **at) if not slot.is_full else None,
        "accept": "image/*",
        "write": None,
        "photos": None,
        "link": None,
        "reuse": None,
    }


def _file(piece: PieceLine, at: Mapping[str, Any], locked: bool) -> dict[str, Any]:
    states = {
        "ready": ("good", _("已检查")),
        "uploading": ("wait", _("还没传完（%(percent)s%%）", percent=piece.percent)),
        "checking": ("wait", _("正在检查")),
        "refused": ("stop", _("不能用")),
    }
    is_file = piece.kind not in {"text", "link"}
    shown = is_file and piece.state == "ready"
    note = ""
    if piece.over_seconds:
        note = (
            _("长了 %(seconds)s 秒。可以剪短再传，也可以在下面勾选后就这样交。", seconds=piece.over_seconds)
            if piece.is_too_long
            else _("长了 %(seconds)s 秒，评审员会看到这条说明，不用重传。", seconds=piece.over_seconds)
        )
    if piece.left_out:
        note = _(
            "里面有 %(n)s 个嵌入的对象（如旧版 Excel、PPT），互评的老师看不到。要让他们看到，请单独上传。",
            n=piece.left_out,
        )
    is_text = piece.kind == "text"
    return {
        "name": _("直接写的文字") if is_text else piece.name,
        "text": piece.text if is_text else "",
        "edit": url_for("submit.text", **at) if is_text and not locked else None,
        "size": formats.filesize(piece.size_bytes) if is_file else "",
        "state": states.get(piece.state, ("note", piece.state)) if is_file else ("good", _("已保存")),
        "preview": url_for("evidence.preview", file=piece.ref) if shown else None,
        "download": url_for("evidence.file", file=piece.ref, download=1) if shown else None,
        "remove": None if locked else url_for("submit.remove", ref=piece.ref, **at),
        "note": note,
    }
