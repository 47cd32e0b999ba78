"""What somebody types of a platform, product by product, and the registration that follows from it.

Sources: Moodle 4.5 and the Open edX consumer 9.13 and 11.4 as recorded; the makers' documentation for the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from lms_plugin.errors import Invalid
from lti.text import origin

# The fields of each product's form; what is not asked follows from the others.
FIELDS: dict[str, tuple[str, ...]] = {
    "moodle": ("site", "client_id", "deployment"),
    "openedx": ("site", "client_id", "keyset"),
    "canvas": ("site", "client_id", "deployment"),
    "brightspace": ("site", "client_id", "deployment"),
    "blackboard": ("client_id", "deployment"),
    "other": ("issuer", "client_id", "auth_url", "token_url", "jwks_url", "audience", "deployment"),
}
OPTIONAL = frozenset({"audience"})
CANVAS_CLOUD = ("instructure.com", "canvaslms.com")
CONSUMER = "/api/lti_consumer/v1"  # below the LMS's root in Open edX
D2L_AUDIENCE = "https://api.brightspace.com/auth/token"
_MOODLE_FOLDERS = (
    *("admin", "auth", "badges", "blog", "calendar", "cohort", "course", "enrol", "grade", "group", "local"),
    *("login", "message", "mod", "my", "question", "report", "tag", "user"),
)
BLACKBOARD = "https://developer.blackboard.com/api/v1"


@dataclass(frozen=True)
class Registration:
    """All that a registration consists of. `token_audience` empty = the token address."""

    product: str
    issuer: str
    client_id: str
    deployment: str
    auth_url: str
    token_url: str
    jwks_url: str
    token_audience: str = ""


def registration_of(product: str, given: Mapping[str, str]) -> Registration:
    """The registration that follows from a product's form. Raises Invalid with a code per field."""
    said = {name: " ".join(given.get(name, "").split()) for name in FIELDS[product]}
    empty = [name for name, value in said.items() if not value and name not in OPTIONAL]
    if empty:
        raise Invalid(dict.fromkeys(empty, "form.required"))
    client_id, deployment = said["client_id"], said.get("deployment", "1")
    if product == "other":
        return Registration(
            "",
            said["issuer"],
            client_id,
            deployment,
            said["auth_url"],
            said["token_url"],
            said["jwks_url"],
            said["audience"],
        )
    if product == "blackboard":
        return Registration(
            product,
            "https://blackboard.com",
            client_id,
            deployment,
            f"{BLACKBOARD}/gateway/oidcauth",
            f"{BLACKBOARD}/gateway/oauth2/jwttoken",
            f"{BLACKBOARD}/management/applications/{quote(client_id, safe='')}/jwks.json",
        )
    root = _root(said["site"])
    if product == "moodle":
        root = _moodle_root(root)
        return Registration(
            product,
            root,
            client_id,
            deployment,
            f"{root}/mod/lti/auth.php",
            f"{root}/mod/lti/token.php",
            f"{root}/mod/lti/certs.php",
        )
    if product == "openedx":
        # Courses are often read at another address than the LMS's own; a whole keyset address names that one.
        root = origin(said["keyset"].partition(CONSUMER)[0]) if CONSUMER in said["keyset"] else ""
        root = root or origin(_root(said["site"]))
        shown = urlsplit(said["keyset"]).path.rstrip("/").rpartition("/")[2]  # the id, or the whole address with it
        return Registration(
            product,
            root,
            client_id,
            deployment,
            f"{root}{CONSUMER}/launch/",
            f"{root}{CONSUMER}/token/{shown}",
            f"{root}{CONSUMER}/public_keysets/{shown}",
        )
    if product == "brightspace":
        root = origin(root)
        return Registration(
            product,
            root,
            client_id,
            deployment,
            f"{root}/d2l/lti/authenticate",
            "https://auth.brightspace.com/core/connect/token",
            f"{root}/d2l/.well-known/jwks",
            D2L_AUDIENCE,
        )
    return _canvas(origin(root), client_id, deployment)


def _canvas(root: str, client_id: str, deployment: str) -> Registration:
    """Canvas in the cloud has one issuer and one service host for all schools (each also for its test and beta copies);
    an installation of one's own keeps that issuer and serves everything itself."""
    issuer, service = "https://canvas.instructure.com", root
    host = urlsplit(root).hostname or ""
    if host.endswith(tuple(f".{cloud}" for cloud in CANVAS_CLOUD)):
        copy = next((name for name in ("beta", "test") if f".{name}." in host), "")
        between = f"{copy}." if copy else ""
        issuer, service = f"https://canvas.{between}instructure.com", f"https://sso.{between}canvaslms.com"
    return Registration(
        "canvas",
        issuer,
        client_id,
        deployment,
        f"{service}/api/lti/authorize_redirect",
        f"{service}/login/oauth2/token",
        f"{service}/api/lti/security/jwks",
    )


def _root(site: str) -> str:
    """A site's address as its owner would give it: with scheme, without slash at the end, query or fragment."""
    whole = site if "://" in site else f"https://{site}"
    if not origin(whole):
        raise Invalid({"site": "platform.site_invalid"})
    return origin(whole) + urlsplit(whole).path.rstrip("/")


def _moodle_root(site: str) -> str:
    """Moodle's own address, of any page's below it: people copy what their browser shows."""
    root, *below = site.rpartition("://")[2].split("/")
    ends = [at for at, part in enumerate(below) if part.endswith(".php")]
    if ends:  # a script: in one of Moodle's own folders, or at its top
        folders = [at for at, part in enumerate(below[: ends[0]]) if part in _MOODLE_FOLDERS]
        below = below[: (folders or ends)[0]]
    elif below[-1:] == ["my"]:  # everybody's first page
        below = below[:-1]
    return f"{site.partition('://')[0]}://{'/'.join([root, *below])}"
