"""Who looks at the page: the top bar, the menu, the language."""

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from flask import request, url_for
from sqlalchemy.exc import SQLAlchemyError

from lms_plugin import leaving
from lms_plugin.access import Permission, Scope, can
from lms_plugin.flow.helpers import helpers_of
from lms_plugin.flow.reach import LOOKS_AFTER, READERS
from lms_plugin.flow.trainings import READERS as HOLD_OR_READ
from lms_plugin.people import Person, RoleKind
from lms_plugin.web.edge import edge, fingerprint
from lms_plugin.web.formats import gettext as _

MOST_BESIDE = 5  # entries of the menu that stand side by side
SIGN = (
    *(RoleKind.TRAINER, RoleKind.PANEL, RoleKind.SCHOOL_LEAD, RoleKind.OFFICER, RoleKind.SEAL, RoleKind.IT),
)  # who decides, publishes, seals, or says who may
_BABEL = {"zh-Hans": "zh_Hans", "en": "en"}


@dataclass(frozen=True)
class Moves:
    """The district goes on elsewhere: where, from which day, and whether that day has come."""

    url: str
    day: date
    is_there: bool


@dataclass(frozen=True)
class Viewer:
    """What `_frame.html` shows of the signed-in person."""

    display_name: str
    menu: list[tuple[str, str, bool]]
    more: list[tuple[str, str, bool]]  # what stands behind "更多"
    text_size: str
    theme: str
    csrf: str
    fingerprint: str
    return_url: str
    is_demo: bool
    moves: Moves | None
    unread: int  # messages
    is_answered: bool  # an answer to a request about their hours waits to be read
    must_prove: bool  # before they decide, publish or seal (web/proofs.py)


def locale_of_request() -> str:
    """The person's own choice, else the launch's locale, else the browser's first fitting one, else 中文."""
    here = edge()
    if here.person is not None and here.person.locale in _BABEL:
        return _BABEL[here.person.locale]
    if here.web_session is not None and here.web_session.locale in _BABEL:
        return _BABEL[here.web_session.locale]
    if here.locale in _BABEL:
        return _BABEL[here.locale]
    best = request.accept_languages.best_match(["zh-Hans", "zh-CN", "zh", "en"])
    return "en" if best == "en" else "zh_Hans"


def display_name(person: Person) -> str:
    """The name, or "未填姓名" with a short code that support can find."""
    return person.name or _("未填姓名（%(code)s）", code=person.uuid[:6].upper())


def viewer() -> Viewer | None:
    """The viewer of this request; None for a stranger."""
    here = edge()
    if here.person is None or here.web_session is None or here.actor is None:
        return None
    menu = _menu()
    beside = MOST_BESIDE if len(menu) <= MOST_BESIDE else MOST_BESIDE - 1  # "更多" takes a place too
    return Viewer(
        display_name=display_name(here.person),
        menu=menu[:beside],
        more=menu[beside:],
        text_size=here.person.text_size,
        theme=here.person.theme,
        csrf=here.web_session.csrf,
        fingerprint=fingerprint(here.web_session),
        return_url=here.web_session.return_url,
        is_demo=here.web_session.is_demo,
        moves=_moves(),
        is_answered=here.person.answered_at is not None,
        unread=here.unread,
        must_prove=here.actor.is_guessable and here.actor.has(*SIGN),
    )


def _moves() -> Moves | None:
    here = edge()
    if here.tenant is None or here.tenant.frozen_on is None:
        return None
    is_there = leaving.is_read_only(here.tenant, here.now)
    return Moves(here.tenant.forward_url, here.tenant.frozen_on, is_there)


def helper() -> str:
    """Whom the foot of the page names: 学校管理员 李老师. "" for a stranger, a fragment, and where nobody is known."""
    here = edge()
    if here.actor is None or here.tenant is None or "HX-Request" in request.headers:
        return ""
    today = here.now.astimezone(ZoneInfo(here.tenant.timezone)).date()
    try:
        found = helpers_of(here.db, here.actor, today)
    except SQLAlchemyError:  # the database is why this page is an error page
        return ""
    if found is None:
        return ""
    role = _("学校管理员") if found[0] is RoleKind.SCHOOL_LEAD else _("区县管理员")
    return f"{role} {_('、').join(found[1])}"


def _menu() -> list[tuple[str, str, bool]]:
    """What this person's roles let them do, most wanted first; whoever takes part has a teacher's pages too."""
    here = edge()
    assert here.actor is not None
    within = {
        "roster": "people",
        "certificates": "oversee"
        if here.actor.has(RoleKind.OFFICER, RoleKind.SCHOOL_LEAD, RoleKind.AUDITOR)
        else "passport",
        "schools": "people",
        "history": "people",
        "plans": "oversee",
        "release": "cases",
        "chain": "oversee",
        "exchange": "curate",
        "cycle": "curate",
        "archives": "curate",
        "editing": "curate",
        "languages": "curate",
        "succession": "curate",
        "references": "curate",
        "launches": "platforms",
        "doctor": "platforms",
        "deliveries": "courses",
    }
    stage = within.get(request.blueprint or "", request.blueprint or "")
    if request.blueprint == "asks":  # a teacher's page, or the officers'
        stage = "passport" if request.endpoint == "asks.mine" else "oversee"
    if request.blueprint == "transfers":
        stage = "passport" if request.endpoint == "transfers.mine" else "people"
    actor = here.actor
    entries: list[tuple[str, str, str]] = []
    if actor.has(RoleKind.AUDITOR):
        entries.append(("audit", url_for("audit.home"), _("抽查")))
    if actor.has(RoleKind.OFFICER, RoleKind.SCHOOL_LEAD, RoleKind.AUDITOR):
        entries.append(("oversee", url_for("oversee.home"), _("进度")))
    if actor.has(RoleKind.OFFICER, RoleKind.SCHOOL_LEAD, RoleKind.AUDITOR):
        entries.append(("people", url_for("people.list_people"), _("名单")))
    if actor.has(RoleKind.OFFICER, RoleKind.AUDITOR):
        entries.append(("curate", url_for("curate.home"), _("项目")))
    if actor.has(*READERS):
        entries.append(("cases", url_for("cases.queue"), _("待评材料")))
    if here.takes_part or not actor.has(RoleKind.OFFICER, RoleKind.AUDITOR, RoleKind.IT):
        entries.append(("submit", url_for("submit.mine"), _("我的能力点")))
        entries.append(("review", url_for("review.mine"), _("互评任务")))
        entries.append(("passport", url_for("passport.mine"), _("研修档案")))
    if here.takes_part or actor.has(*HOLD_OR_READ) or not actor.roles:
        entries.append(("trainings", url_for("trainings.home"), _("培训")))
    if actor.has(RoleKind.SEAL):
        entries.append(("seals", url_for("seals.home"), _("用印")))
    if actor.has(*LOOKS_AFTER):
        entries.append(("courses", url_for("courses.home"), _("课程")))
    if can(actor, Permission.PLATFORM_MANAGE, Scope(actor.tenant_id)):
        entries.append(("platforms", url_for("platforms.home"), _("平台")))
    return [(url, label, stage == name) for name, url, label in entries]
