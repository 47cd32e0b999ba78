"""A launch from the host's side: the hint, the first hop to the tool, and the id_token that answers the tool."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from flask import Request as HttpRequest
from flask import redirect, render_template
from itsdangerous import BadSignature, URLSafeTimedSerializer
from lti1p3platform.message_launch import LTIAdvantageMessageLaunchAbstract
from lti1p3platform.oidc_login import OIDCLoginAbstract
from lti1p3platform.request import Request
from werkzeug.wrappers import Response

from lms_plugin.practice.config import LOCALES, PracticeConfig, PracticeCourse, PracticeLink, PracticePerson
from lms_plugin.practice.platform import CLAIM, PracticePlatform
from lms_plugin.practice.services import AGS_CLAIM, lineitem_url, lineitems_url, memberships_url
from lms_plugin.practice.store import Store

HINT_SECONDS = 300
ID_TOKEN_SECONDS = 60  # Moodle's: the tool has a minute
TARGETS = ("iframe", "frame", "window")


class AuthRefused(Exception):
    """The authentication request is not answered with an id_token. With `to_tool` the tool is told (form_post),
    otherwise the person sees a page of the host: that is so whenever the redirect_uri is not the registered one."""

    def __init__(self, code: str, reason: str, *, to_tool: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.to_tool = to_tool


@dataclass(frozen=True)
class Hint:
    """What a launch is about; it travels signed through the tool as lti_message_hint."""

    person: PracticePerson
    course: PracticeCourse
    link: PracticeLink
    target: str
    locale: str


class Hints:
    """Signs hints, and opens each once within five minutes."""

    def __init__(self, config: PracticeConfig, store: Store) -> None:
        self._config = config
        self._store = store
        self._signer = URLSafeTimedSerializer(store.secret("hint_secret"), salt="practice-hint")

    def sign(self, hint: Hint) -> str:
        """The hint as URL-safe text."""
        parts = [hint.person.key, hint.course.id, hint.link.id, hint.target, hint.locale, secrets.token_urlsafe(12)]
        return str(self._signer.dumps(parts))

    def read(self, text: str) -> tuple[Hint, str]:
        """The hint and its one-time mark. Raises AuthRefused for one that is forged, stale or about nothing known."""
        try:
            key, course_id, link_id, target, locale, mark = self._signer.loads(text, max_age=HINT_SECONDS)
        except (BadSignature, ValueError, TypeError) as error:
            raise AuthRefused(
                "invalid_request", "lti_message_hint is not one of ours or is older than 5 minutes"
            ) from error
        person, course = self._config.person(key), self._config.course(course_id)
        link = course.link(link_id) if course else None
        if person is None or course is None or link is None or target not in TARGETS or locale not in LOCALES:
            raise AuthRefused("invalid_request", "lti_message_hint names something that no longer exists")
        return Hint(person, course, link, target, locale), mark

    def use_up(self, mark: str, expires: int) -> None:
        """Raises AuthRefused the second time."""
        if not self._store.once("hint", mark, expires):
            raise AuthRefused("invalid_request", "lti_message_hint was used before; open the activity again")


class PracticeLogin(OIDCLoginAbstract):
    """The first hop. Nothing rests on `assert`, and a login address that has a query keeps it (the wheel adds `?`)."""

    def set_lti_message_hint(self, **kwargs: str) -> None:
        """Keep the signed hint for the address."""
        self._lti_message_hint = kwargs["hint"]

    def get_redirect(self, url: str) -> Response:
        """A plain redirect, so that the frame's way back still counts as started by this host."""
        return redirect(url)

    def prepare_preflight_url(self, user_id: str) -> str:
        """The tool's login address with the parameters of a third-party initiated login (LTI 1.3, 5.1.1)."""
        registration = self._registration
        parts = urlsplit(registration.get_oidc_login_url())
        query = [
            *parse_qsl(parts.query, keep_blank_values=True),
            ("iss", registration.get_iss()),
            ("target_link_uri", self.get_launch_url()),
            ("login_hint", user_id),
            ("lti_message_hint", str(self.get_lti_message_hint())),
            ("client_id", registration.get_client_id()),
            ("lti_deployment_id", registration.get_deployment_id()),
        ]
        return str(urlunsplit(parts._replace(query=urlencode(query))))


class AuthRequest(Request):
    """The authentication request: a POST's parameters are its form alone, a GET's its query alone.

    The wheel takes the query whenever there is one, so that a POST could be read past its own form.
    """

    def build_metadata(self, request: HttpRequest) -> dict[str, Any]:
        """Called by the wheel's constructor with the Flask request."""
        values = request.form if request.method == "POST" else request.args
        return {
            "method": request.method,
            "form_data": values.to_dict(),
            "get_data": {},
            "headers": request.headers,
            "content_type": request.content_type,
            "path": request.path,
            "json": None,
        }


class PracticeLaunch(LTIAdvantageMessageLaunchAbstract):
    """The answer to the tool's authentication request."""

    def __init__(
        self,
        request: AuthRequest,
        platform: PracticePlatform,
        *,
        hints: Hints,
        signed_in: PracticePerson | None,
        script_nonce: str,
        expires: int,
    ) -> None:
        super().__init__(request, platform)
        self._platform = platform
        self._hints = hints
        self._signed_in = signed_in
        self._script_nonce = script_nonce
        self._expires = expires
        self.set_id_token_expiration(ID_TOKEN_SECONDS)

    def validate_preflight_response(self, preflight_response: Mapping[str, str]) -> None:
        """Check the request. Raises AuthRefused; the tool is told only once its redirect_uri is the registered one.

        The wheel compares redirect_uri with nothing, response_type, response_mode, scope and prompt neither, and its
        checks are `assert`.
        """
        config, given = self._platform.config, preflight_response.get
        if given("client_id") != config.client_id:
            raise AuthRefused("unauthorized_client", "client_id is not registered")
        if given("redirect_uri") != config.tool_launch_url:
            raise AuthRefused("invalid_request", "redirect_uri is not registered")
        if not given("nonce"):
            raise AuthRefused("invalid_request", "nonce is missing")
        if not given("state"):
            raise AuthRefused("invalid_request", "state is missing")
        if "openid" not in (given("scope") or "").split():
            raise AuthRefused("invalid_scope", "scope must hold openid")
        for name, right in (("response_type", "id_token"), ("response_mode", "form_post"), ("prompt", "none")):
            if given(name) != right:
                raise AuthRefused("invalid_request", f"{name} must be {right}", to_tool=True)
        self._redirect_url = config.tool_launch_url

    def prepare_launch(self, preflight_response: Mapping[str, str]) -> None:
        """Say who, where and what. Raises AuthRefused unless the hint's person is the one signed in here."""
        hint, mark = self._hints.read(preflight_response.get("lti_message_hint", ""))
        person = self._signed_in
        if person is None:
            raise AuthRefused("login_required", "nobody is signed in", to_tool=True)
        if hint.person != person or preflight_response.get("login_hint") != person.sub:
            raise AuthRefused("access_denied", "login_hint is not the person who is signed in", to_tool=True)
        self._hints.use_up(mark, self._expires)
        self._set_person(person)
        self._set_place(hint)
        self._set_services(hint)

    def _set_person(self, person: PracticePerson) -> None:
        if person.shares_identity:
            self.set_user_data(person.sub, person.launch_roles, full_name=person.name, email_address=person.email)
            self.set_extra_claims({"given_name": person.given_name, "family_name": person.family_name})
        else:
            self.set_user_data(person.sub, person.launch_roles)
        number = person.staff_number if person.shares_identity else ""
        self.set_extra_claims({CLAIM + "lis": {"person_sourcedid": number, "course_section_sourcedid": ""}})

    def _set_place(self, hint: Hint) -> None:
        config = self._platform.config
        self.set_launch_context_claim(hint.course.id, ["CourseSection"], hint.course.title, hint.course.label)
        self.set_resource_link_claim(hint.link.id, title=hint.link.title)
        self.set_custom_parameters_claim(dict(hint.link.custom))
        back = "return" if hint.target == "iframe" else "course"
        self.set_extra_claims(
            {
                CLAIM + "launch_presentation": {
                    "locale": hint.locale,
                    "document_target": hint.target,
                    "return_url": f"{config.base_url}/{back}/{hint.course.id}",
                },
                CLAIM + "tool_platform": {
                    "product_family_code": "nengli-practice",
                    "version": "1",
                    "guid": config.base_url,
                    "name": "练习用课程平台",
                },
            }
        )

    def _set_services(self, hint: Hint) -> None:
        platform, course = self._platform, hint.course
        own = [item for item in platform.store.line_items(course.id) if item.resource_link_id == hint.link.id]
        # Moodle names no line item where several belong to the activity
        lineitem = lineitem_url(platform.config, course.id, own[0].id) if len(own) == 1 else None
        self.set_ags(lineitems_url(platform.config, course.id), lineitem)
        # the wheel names lineitem alone; a host that lets write also lets read
        self.extra_claims[AGS_CLAIM]["scope"].append("https://purl.imsglobal.org/spec/lti-ags/scope/lineitem.readonly")
        self.set_nrps(memberships_url(platform.config, course.id))

    def get_launch_message(self, include_extra_claims: bool = True) -> dict[str, Any]:
        """The claims; a deep linking request carries no resource_link (the wheel leaves one in)."""
        message = dict(super().get_launch_message(include_extra_claims))
        if self._dl:
            message.pop(CLAIM + "resource_link", None)
        return message

    def render_launch_form(self, launch_data: Mapping[str, str], **_kwargs: Any) -> str:
        """The page that posts the id_token. Our own template: the wheel's leaves `state` unescaped."""
        return form_post(launch_data["launch_url"], launch_data, ("id_token", "state"), self._script_nonce)


def form_post(url: str, values: Mapping[str, str], names: tuple[str, ...], script_nonce: str) -> str:
    """A page that posts the named values to the tool by itself, or by a button where there is no JavaScript."""
    fields = [(name, values[name]) for name in names if values.get(name)]
    return render_template("practice/form_post.html", url=url, fields=fields, script_nonce=script_nonce)
