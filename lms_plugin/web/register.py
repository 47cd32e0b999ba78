"""自动登记: the page that a platform opens to be registered (Dynamic Registration 1.0). A stranger's visit asks nobody
anything: only a code that is good makes us speak to the address that came with the visit."""

import logging

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response as BaseResponse

import lti
from lms_plugin.db import writes
from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow import register
from lms_plugin.web import messages
from lms_plugin.web.assets import asset
from lms_plugin.web.edge import commit, db, edge, parts
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.people import role_word

blueprint = Blueprint("register", __name__)
log = logging.getLogger("nengli.web")

LONGEST_TOKEN = 8000


def _asked() -> tuple[str, str]:
    """The address of the platform's configuration and its token, as they came; that platform may frame this page.

    Raises Refused `register.address`.
    """
    url = request.values.get("openid_configuration", "")
    token = request.values.get("registration_token", "")
    fits = not token or (len(token) <= LONGEST_TOKEN and token.isascii() and token.isprintable())
    if not fits or not lti.is_configuration_address(url, parts().http):
        reference = _logged(url, "address", "register.address")
        raise Refused("register.address", reference=reference)
    edge().framed_by = [lti.origin(url)]
    return url, token


@blueprint.get("/lti/register")
def page() -> BaseResponse:
    """What registering means, and the field for the code."""
    url, token = _asked()
    return _page(url, token)


def _logged(url: str, check: str, code: str, tenant_id: int | None = None) -> str:
    """The launch log's row of a refused registration; gives its reference. What else was under way is undone."""
    db().rollback()
    writes(db())
    reference = lti.log_registration(db(), lti.origin(url), edge().now, check=check, code=code, tenant_id=tenant_id)
    commit()
    log.info("registration refused %s %s at %s", code, reference, lti.origin(url))
    return reference


def _page(url: str, token: str, error: Refused | None = None, reference: str = "", clients: str = "") -> BaseResponse:
    """The form; `clients`: registrations that are there already, so that continuing has to be confirmed."""
    answer = make_response(
        render_template(
            "register/page.html",
            url=url,
            token=token,
            host=lti.origin(url),
            code=request.form.get("code", "")[:100],
            error=error,
            clients=clients,
            reference=reference,
        ),
        error.status if error is not None else 200,
    )
    return _may_be_a_window(answer)


def _may_be_a_window(answer: BaseResponse) -> BaseResponse:
    """Some platforms open this page in a window of its own and wait for its word: it must keep its opener."""
    answer.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"
    return answer


@blueprint.post("/lti/register")
def begin() -> BaseResponse:
    """Registers: code, configuration, request, answer; whatever fails, the code and this page can be used again."""
    url, token = _asked()
    made, here, code = parts(), edge(), request.form.get("code", "")[:100]
    is_confirmed = request.form.get("confirm") == "1"
    settings = made.settings
    tenant_id, check = None, "code"
    try:
        tenant_id = register.tenant_of(db(), code, here.now)
        commit()  # nothing may hold a lock while a platform answers
        check = "configuration"
        offer = lti.read_offer(made.http, url, token)
        known = register.known_clients(db(), tenant_id, offer.issuer)
        db().rollback()
        if known and not is_confirmed:
            clients = _("、").join(known)
            reference = _logged(url, check, "register.confirm", tenant_id)
            return _page(url, token, Refused("register.confirm", clients=clients), reference, clients)
        check = "answer"
        answer = lti.ask_registration(made.http, offer, lti.registration_request(offer, _tool()), token)
        check = "kept"
        writes(db())
        done = register.finish(
            db(),
            code,
            offer,
            answer,
            here.now,
            is_confirmed=is_confirmed,
            secret_key=settings.secret_key.get_secret_value(),
            allow_loopback=settings.allow_loopback,
            networks=settings.networks,
        )
    except Invalid as invalid:
        words = "; ".join(messages.field_errors(invalid).values())
        reference = _logged(url, check, "register.unreadable", tenant_id)
        return _page(url, token, Refused("register.unreadable", words=words), reference)
    except Refused as error:
        return _page(url, token, error, _logged(url, check, error.code, tenant_id))
    log.info("registered %s %s", offer.issuer, done.client_id)
    granted = [(right, answer.scopes is None or scope in answer.scopes) for right, scope in lti.RIGHTS.items()]
    return _may_be_a_window(
        make_response(
            render_template(
                "register/done.html",
                done=done,
                role=role_word(done.kind),
                granted=granted,
                product=offer.product,
                host=lti.origin(url),
            )
        )
    )


def _tool() -> "lti.RegistrationTool":
    """How we present ourselves."""
    settings = parts().settings
    names = {"": settings.product_name, "zh": settings.product_name, "en": settings.product_name_en}
    return lti.RegistrationTool(
        settings.public_url,
        settings.public_url + asset("icon.svg"),
        names,
        "中小学教师信息技术应用能力点的考核与互评 / Assessing and peer reviewing teachers' competency points",
    )
