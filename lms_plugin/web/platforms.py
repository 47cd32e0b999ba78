"""平台: the district's registrations, a page per product with the values to carry both ways, and trying one out."""

import json
from urllib.parse import urlsplit

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import lti
from lms_plugin.errors import Invalid, NotFound
from lms_plugin.flow import digest, host_notices, platforms
from lms_plugin.platform_events import PlatformAct
from lms_plugin.web import messages
from lms_plugin.web.edge import actor, commit, db, edge, parts, wake_worker
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.formats import is_english
from lms_plugin.web.forms import pages, whole
from lms_plugin.web.platform_labels import DOMAIN, JWKS, LAUNCH, LAUNCHES, LOGIN, NAME, PRODUCTS, family

blueprint = Blueprint("platforms", __name__)

LONGEST = 1000
PAGE = 50  # a stock Open edX registers every block by itself, so there may be hundreds


def our_values() -> dict[str, str]:
    """What a host has to know of us."""
    settings = parts().settings
    return {
        LAUNCH: settings.launch_url,
        LAUNCHES: json.dumps([settings.launch_url]),
        LOGIN: settings.login_url,
        JWKS: settings.jwks_url,
        DOMAIN: urlsplit(settings.public_url).netloc,
        NAME: settings.product_name_en if is_english() else settings.product_name,
    }


def back_hint(product: str, field: str) -> str:
    """What to bring back from a host into one of our fields, where its label does not say it all."""
    hints = {
        ("moodle", "site"): _("保存后点工具上的放大镜（查看配置细节）就能看到；三个网址由它推出来。"),
        ("openedx", "site"): _("学员看课的网址，例如 https://lms.example；不是 Studio 的网址。"),
        ("openedx", "keyset"): _("整个网址或者最后那一段编号都行；另外两个网址由它推出来。部署编号总是 1。"),
        ("canvas", "site"): _("用浏览器打开 Canvas 时的网址，例如 https://school.instructure.com。"),
        ("brightspace", "site"): _("登记保存后页面下方显示的 Issuer，例如 https://school.brightspace.com。"),
        ("blackboard", "client_id"): _("在 Blackboard 开发者网站登记后得到；三个网址由它推出来。"),
        ("other", "audience"): _("只有平台另外说明时才填；不填就是令牌网址。"),
    }
    return str(hints.get((product, field), ""))


def field_word(field: str) -> str:
    """One of our own fields in the page's language."""
    words = {
        "site": _("平台的网址"),
        "issuer": _("平台标识（issuer）"),
        "client_id": _("客户端编号"),
        "deployment": _("部署编号"),
        "keyset": _("公钥集网址"),
        "auth_url": _("登录（身份验证）网址"),
        "token_url": _("令牌网址"),
        "jwks_url": _("公钥集网址"),
        "audience": _("令牌受众（audience）"),
    }
    return str(words[field])


@blueprint.get("/platforms")
def home() -> str:
    """All registrations: state, deployments, last launch, and who knocks without being approved."""
    rows = sorted(platforms.listing(db(), actor()), key=lambda row: not row.use.unknown)  # stable: those who wait first
    number = whole(request.args.get("page"), 1)
    return render_template(
        "platforms/home.html",
        rows=rows[(number - 1) * PAGE : number * PAGE],
        total=len(rows),
        page=number,
        pages=pages(len(rows), PAGE),
        address=lambda there: url_for("platforms.home", page=there),
        register_url=f"{parts().settings.public_url}/lti/register",
        waiting=sum(len(row.use.unknown) for row in rows),
        stuck=digest.stuck_notices(db(), actor()),
        products=[(key, product.name if key != "other" else _("其他平台")) for key, product in PRODUCTS.items()],
    )


@blueprint.route("/platforms/new/<product>", methods=["GET", "POST"])
def new(product: str) -> BaseResponse | tuple[str, int]:
    """One product's page: what to paste there, and what to bring back."""
    if product not in PRODUCTS:
        raise NotFound
    settings, me = parts().settings, actor()
    platforms.listing(db(), me)  # only who may register sees how
    errors: dict[str, str] = {}
    given = {name: request.form.get(name, "")[:LONGEST] for name in (*lti.PLATFORM_FIELDS[product], "name")}
    if request.method == "POST":
        try:
            made = platforms.register(
                db(),
                me,
                product,
                given,
                edge().now,
                secret_key=settings.secret_key.get_secret_value(),
                allow_loopback=settings.allow_loopback,
                networks=settings.networks,
            )
            return redirect(url_for("platforms.one", platform=made), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    page = render_template(
        "platforms/new.html",
        key=product,
        product=PRODUCTS[product],
        title=PRODUCTS[product].name if product != "other" else _("其他平台"),
        values=our_values(),
        fields=lti.PLATFORM_FIELDS[product],
        field_word=field_word,
        back_hint=back_hint,
        given=given,
        errors=errors,
    )
    return page, 422 if errors else 200


@blueprint.route("/platforms/<platform>", methods=["GET", "POST"])
def one(platform: str) -> BaseResponse | tuple[str, int]:
    """One registration: what it holds, and other values for it."""
    if request.method == "GET":
        return _page(platform), 200
    try:
        settings = parts().settings
        platforms.change(
            db(),
            actor(),
            platform,
            request.form,
            edge().now,
            allow_loopback=settings.allow_loopback,
            networks=settings.networks,
        )
        return redirect(url_for("platforms.one", platform=platform), 303)
    except Invalid as invalid:
        db().rollback()
        return _page(platform, errors=messages.field_errors(invalid)), 422


def _page(
    platform: str,
    view: platforms.PlatformView | None = None,
    findings: "list[lti.Finding] | None" = None,
    errors: dict[str, str] | None = None,
) -> str:
    view = view or platforms.one(db(), actor(), platform)
    key = family(view.product)
    key = key if key in PRODUCTS else "other"
    held = {
        "name": view.name,
        "auth_url": view.auth_url,
        "token_url": view.token_url,
        "jwks_url": view.jwks_url,
        "audience": view.audience,
    }
    return render_template(
        "platforms/one.html",
        view=view,
        product=PRODUCTS[key],
        values=our_values(),
        given=held if not errors else {**held, **{name: request.form.get(name, held[name]) for name in held}},
        field_word=field_word,
        findings=findings,
        act_words=_act_words(),
        notice_lines=host_notices.lines(db(), actor(), platform),
        jwks=our_values()[JWKS],
        errors=errors or {},
        deployment=request.form.get("deployment", "") if errors else "",
    )


def _act_words() -> dict[PlatformAct, str]:
    """What a line of 经过 says."""
    return {
        PlatformAct.ADDED: _("登记"),
        PlatformAct.REGISTERED: _("平台凭邀请码自己登记"),
        PlatformAct.RENEWED: _("平台凭邀请码更新登记"),
        PlatformAct.CHANGED: _("改了登记的值"),
        PlatformAct.DISABLED: _("停用"),
        PlatformAct.ENABLED: _("启用"),
        PlatformAct.APPROVED: _("批准部署"),
        PlatformAct.WITHDRAWN: _("撤下部署"),
        PlatformAct.LOOK_ON: _("允许没有说明是谁的人先看一看"),
        PlatformAct.LOOK_OFF: _("没有说明是谁的人改为拦下"),
        PlatformAct.NOTICES_ON: _("接收平台通知"),
        PlatformAct.NOTICES_OFF: _("不再接收平台通知"),
    }


@blueprint.post("/platforms/<platform>/switch")
def switch(platform: str) -> BaseResponse:
    """停用, 启用."""
    platforms.switch(db(), actor(), platform, edge().now, is_disabled=request.form.get("to") == "off")
    return redirect(url_for("platforms.one", platform=platform), 303)


@blueprint.post("/platforms/<platform>/look")
def let_look(platform: str) -> BaseResponse:
    """没有说明是谁的人先看一看: 允许, 不再允许."""
    platforms.let_look(db(), actor(), platform, edge().now, lets=request.form.get("to") == "on")
    return redirect(url_for("platforms.one", platform=platform), 303)


@blueprint.post("/platforms/<platform>/notices")
def notices(platform: str) -> BaseResponse:
    """平台通知: 接收, 不再接收."""
    host_notices.choose(db(), actor(), platform, edge().now, wanted=request.form.get("to") != "off")
    wake_worker()
    return redirect(url_for("platforms.one", platform=platform), 303)


@blueprint.post("/platforms/<platform>/deployments")
def deployment(platform: str) -> BaseResponse | tuple[str, int]:
    """A deployment more, typed or approved by one click."""
    try:
        platforms.add_deployment(db(), actor(), platform, request.form.get("deployment", "").strip(), edge().now)
    except Invalid as invalid:
        db().rollback()
        return _page(platform, errors=messages.field_errors(invalid)), 422
    return redirect(url_for("platforms.one", platform=platform), 303)


@blueprint.post("/platforms/<platform>/deployments/withdraw")
def withdraw(platform: str) -> BaseResponse:
    """撤下: an approval is taken back."""
    platforms.withdraw_deployment(db(), actor(), platform, request.form.get("deployment", ""), edge().now)
    return redirect(url_for("platforms.one", platform=platform), 303)


@blueprint.post("/platforms/<platform>/test")
def test(platform: str) -> str:
    """Tries the registration out and says of each step whether it went well."""
    made = parts()
    secret = made.settings.secret_key.get_secret_value()
    view, trial = platforms.trial(db(), actor(), platform, edge().now, secret_key=secret, http=made.http)
    commit()  # nothing may hold a lock while a host answers
    return _page(platform, view, trial.run())
