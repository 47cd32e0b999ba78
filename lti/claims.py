"""The claims of a verified token, read with strict types into one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lti import roles as role_rules
from lti import spaces
from lti.rosters import GROUPS as GROUPS_SCOPE
from lti.subscriptions import NOTICES as NOTICES_SCOPE
from lti.subscriptions import ours
from lti.text import clean, full_name, is_identifier, locale, origin

if TYPE_CHECKING:
    from lti.deep_linking import DeepLinking

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
AGS = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
NRPS = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
GROUPS = "https://purl.imsglobal.org/spec/lti-gs/claim/groupsservice"
NOTICES = CLAIM + "platformnotificationservice"
PRIVACY = ("DataPrivacyLaunchRequest", "LtiDataPrivacyLaunchRequest")  # of the draft; hosts write both
_MOST_ENTRIES = 200
Binding = Literal["cookie", "storage", "none"]


class Malformed(Exception):
    """A claim of the wrong JSON type or an id that cannot be kept; `claim` is its short name."""

    def __init__(self, claim: str) -> None:
        super().__init__(claim)
        self.claim = claim


@dataclass(frozen=True)
class Launch:
    """A verified launch: who came, from where, and what the host offers. Nothing in it is to be trusted for longer
    than this launch: a role here is what the host says now. `subject` "" only where `names_nobody`.

    `binding` "cookie" or "storage" (a proof from the host's own storage): this browser began the login. "none": neither
    came back, so nothing proves it (login CSRF): the page must show whose name this is and let the person go on by
    their own click, before any session serves them.
    `door`: by which of its issuer's doors they came (doors.py): an account belongs to one.
    `deep_linking`: the host asks what to put into its course; there is no resource link then.
    `context_id`: the host's course; of a launch that names none, the space of its activity (`spaces.py`); "" = neither.
    `for_user`: the host's `sub` of the person whose work, or (`asks_what_is_kept`) whose data are to be looked at; any
    student can make a host ask so, hence it permits nothing. `deployment_id` is our row's id; `ags_scopes` empty or a
    URL "" = the host does not offer it.
    """

    reference: str
    tenant_id: int
    platform_id: int
    deployment_id: int
    login_state_id: int
    binding: Binding
    issuer: str
    client_id: str
    platform_name: str
    platform_origin: str
    product: str
    subject: str
    message_type: str
    roles: frozenset[str]
    target_link_uri: str
    resource_link_id: str
    resource_link_title: str
    context_id: str
    context_title: str
    name: str
    locale: str
    return_url: str
    document_target: str
    lineitems_url: str
    lineitem_url: str
    ags_scopes: tuple[str, ...]
    memberships_url: str
    groups_url: str = ""
    group_sets_url: str = ""
    notices_url: str = ""
    notice_types: str = ""
    door: str = ""
    deep_linking: "DeepLinking | None" = None
    for_user: str = ""
    custom: Mapping[str, str] = field(default_factory=dict)

    @property
    def names_nobody(self) -> bool:
        """Whether the host does not say who came: they may look at what the course asks for, and nothing else."""
        return not self.subject

    @property
    def is_learner(self) -> bool:
        """Whether the host says "learner here". Somebody may be learner and instructor at once, or neither."""
        return "Learner" in role_rules.context_roles(self.roles)

    @property
    def is_instructor(self) -> bool:
        """Whether the host says "instructor here"."""
        return "Instructor" in role_rules.context_roles(self.roles)

    @property
    def asks_what_is_kept(self) -> bool:
        """Whether the host asks for somebody's personal data, not for an activity (Data Privacy launch)."""
        return self.message_type in PRIVACY

    @property
    def is_administrator(self) -> bool:
        """Whether the host calls them an administrator; grants nothing here."""
        return role_rules.is_administrator(self.roles)


def text(source: Mapping[str, Any], key: str, limit: int) -> str:
    """A text member for showing; absent and null are "". Raises Malformed."""
    value = source.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(key)
    return clean(value, limit)


def identifier(source: Mapping[str, Any], key: str, limit: int = 255) -> str:
    """An id exactly as the host writes it; absent, null and "" are "". Raises Malformed."""
    value = source.get(key)
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not is_identifier(value, limit):
        raise Malformed(key)
    return value


def url(source: Mapping[str, Any], key: str, limit: int = 1000) -> str:
    """An http(s) address, or "" for anything that is none. Raises Malformed when it is no string."""
    value = source.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(key)
    return value if is_identifier(value, limit) and " " not in value and origin(value) else ""


def way_back(claims: Mapping[str, Any]) -> str:
    """Where the host wants people to return to, of a token whose other claims may be anything; "" for no address."""
    try:
        return url(member(claims, CLAIM + "launch_presentation", "launch_presentation"), "return_url", 2000)
    except Malformed:
        return ""


def member(source: Mapping[str, Any], key: str, name: str) -> dict[str, Any]:
    """A claim that is an object; absent and null are an empty one. Raises Malformed."""
    value = source.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed(name)
    return value


def strings(value: Any, name: str) -> tuple[str, ...]:
    """A list of strings, cleaned. Raises Malformed."""
    if not isinstance(value, list) or len(value) > _MOST_ENTRIES or not all(isinstance(one, str) for one in value):
        raise Malformed(name)
    return tuple(clean(one, 300) for one in value)


def custom(source: Mapping[str, Any]) -> dict[str, str]:
    """Custom parameters. Numbers become text (old Canvas), null and nested values are dropped, and so is a value that
    starts with `$`: a variable the host did not substitute."""
    found: dict[str, str] = {}
    for key, value in list(member(source, CLAIM + "custom", "custom").items())[:_MOST_ENTRIES]:
        written = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        if isinstance(written, str) and not written.startswith("$") and is_identifier(key):
            found[key] = clean(written, 2000)
    return found


def _groups(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The claim of the course's groups, where it lets us read them."""
    found = member(claims, GROUPS, "groupsservice")
    scopes = found.get("scope")
    return found if not isinstance(scopes, list) or GROUPS_SCOPE in scopes else {}


def _notices(claims: Mapping[str, Any]) -> tuple[str, str]:
    """Where the host can be asked for platform notices, and the kinds of ours that it offers; ("", "") for none."""
    found = member(claims, NOTICES, "platformnotificationservice")
    scopes, versions = found.get("scope"), found.get("service_versions")
    if isinstance(scopes, list) and NOTICES_SCOPE not in scopes:
        return "", ""
    if isinstance(versions, list) and "1.0" not in versions:
        return "", ""
    address = url(found, "platform_notification_service_url")
    types = ours(strings(found.get("notice_types_supported") or [], "notice_types_supported"))
    return (address, types) if address and types else ("", "")


def _of_parts(claims: Mapping[str, Any]) -> str:
    return full_name(text(claims, "given_name", 50), text(claims, "family_name", 50))[:100]


def read(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The descriptive parts of a Launch, by field name (checks that refuse are the caller's). Raises Malformed."""
    context = member(claims, CLAIM + "context", "context")
    link = member(claims, CLAIM + "resource_link", "resource_link")
    shown = member(claims, CLAIM + "launch_presentation", "launch_presentation")
    grades = member(claims, AGS, "endpoint")
    members = member(claims, NRPS, "namesroleservice")
    groups = _groups(claims)
    notices_url, notice_types = _notices(claims)
    tool_platform = member(claims, CLAIM + "tool_platform", "tool_platform")
    context_id, link_id = identifier(context, "id"), identifier(link, "id")
    product = text(tool_platform, "product_family_code", 64).lower()
    if not product and context_id.startswith("course-v1:"):
        product = "openedx"  # it names no product family
    return {
        "product": product,
        "context_id": context_id or spaces.of_link(link_id),
        "context_title": text(context, "title", 500) or text(context, "label", 500),
        "resource_link_id": link_id,
        "resource_link_title": text(link, "title", 500),
        "name": text(claims, "name", 100) or _of_parts(claims),
        "locale": locale(text(shown, "locale", 40) or text(claims, "locale", 40)),
        "return_url": url(shown, "return_url", 2000),
        "document_target": text(shown, "document_target", 16),
        "lineitems_url": url(grades, "lineitems"),
        "lineitem_url": url(grades, "lineitem"),
        "ags_scopes": strings(grades.get("scope") or [], "scope"),
        "memberships_url": url(members, "context_memberships_url"),
        "groups_url": url(groups, "context_groups_url"),
        "group_sets_url": url(groups, "context_group_sets_url"),
        "notices_url": notices_url,
        "notice_types": notice_types,
        "custom": custom(claims),
    }
