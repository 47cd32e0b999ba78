"""The launch of somebody who was here before, from a place that is known: one statement (PostgreSQL; ADR 0054).

`said_in` reads in the token where it says that it comes from, and who. `PLACE` finds registration, keys, deployment and
activity by that; the caller remembers them. `check` holds the token against them with every check of a launch, and
writes nothing. The caller then writes all in one statement, which begins with `LOGIN`: it is taken if it is this
token's and this browser's, and if nothing of its place was written since. Whatever is not as it was, refused or new,
gives None: `receive_launch` then does it from the start.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import CTE, ScalarSelect, Select, and_, bindparam, insert, select, update

from lms_plugin.db import table
from lti import checks, log, tokens
from lti.checks import Kept, Place
from lti.claims import CLAIM, Launch
from lti.keysets import KeysWanted
from lti.launch import STATE, Proof
from lti.log import LaunchRefused, Trail
from lti.models import Deployment, KeySet, LaunchLog, LoginState, Platform, ResourceLink
from lti.platforms import COLUMNS, Registration
from lti.text import is_identifier, sha256
from lti.trails import LAUNCHED

_login, _platform, _keys, _deployment, _link = (
    table(kind).c for kind in (LoginState, Platform, KeySet, Deployment, ResourceLink)
)
_FOUND = (
    *(_keys.body, _keys.fetched_at),
    *(_deployment.id, _link.id, _link.title, _link.custom, _link.seen_at),
    *(_deployment.notices_url, _deployment.notice_types),
)
WIDTH = len(COLUMNS) + len(_FOUND)  # what of a row of PLACE is ours; the caller's columns follow
PLACE_KINDS = (Platform, KeySet, Deployment, ResourceLink)


def _of_place(statement: "Select[Any]") -> "Select[Any]":
    """Joins keys, deployment and activity to a select that knows the platform."""
    return (
        statement.join(table(KeySet), _keys.url == _platform.jwks_url)
        .join(
            table(Deployment),
            and_(
                _deployment.platform_id == _platform.id,
                _deployment.deployment_id == bindparam("deployment"),
                _deployment.is_withdrawn.is_(False),
            ),
        )
        .join(
            table(ResourceLink),
            and_(
                _link.deployment_id == _deployment.id,
                _link.context_id == bindparam("context"),
                _link.resource_link_id == bindparam("link"),
            ),
        )
    )


PLACE = _of_place(
    select(*COLUMNS, *(column.label(f"kept_{at}") for at, column in enumerate(_FOUND))).select_from(table(Platform))
).where(_platform.issuer == bindparam("issuer"), _platform.client_id == bindparam("client_id"))

# The login by its state, at its place. `LOGIN_STANDS`: it is this token's (`nonce` is what the token says) and this
# browser's (`browser` is of its own cookie), and of the platform whose key signed.
LOGIN = _of_place(
    select(_login.id.label("login")).join_from(table(LoginState), table(Platform), _platform.id == _login.platform_id)
).where(_login.state == bindparam("state"))
LOGIN_STANDS = and_(
    *(_login.nonce == bindparam("nonce"), _login.browser_hash == bindparam("browser")),
    *(_platform.id == bindparam("platform"), _platform.is_disabled.is_(False)),
)


def held(login: "ScalarSelect[int]") -> CTE:
    """The login of that id if nobody has taken it meanwhile: of two requests at once the second waits here, and then
    finds nothing."""
    is_open = and_(_login.consumed_at.is_(None), _login.expires_at > bindparam("now", type_=_login.expires_at.type))
    return select(_login.id).where(_login.id == login, is_open).with_for_update().cte("held")


_LOGGED = tuple(column for column in table(LaunchLog).c if column.name != "id")


def logged_for(opened: CTE) -> CTE:
    """The row of the launch log, beside the web session that this other part of the statement opens."""
    return (
        insert(table(LaunchLog))
        .from_select(
            [column.name for column in _LOGGED],
            select(*(bindparam(f"log_{column.name}", type_=column.type) for column in _LOGGED)).select_from(opened),
            include_defaults=False,
        )
        .cte("logged")
    )


def taken_for(held: CTE, opened: CTE) -> CTE:
    """The login that `held` has is used up, and led to the web session that this other part of the statement opens."""
    return (
        update(table(LoginState))
        .where(_login.id == held.c.id, opened.c.id.is_not(None))
        .values(consumed_at=bindparam("now", type_=_login.consumed_at.type), web_session_id=opened.c.id)
        .cte("taken")
    )


class Names(NamedTuple):
    """The names by which a launch finds its place. Nobody has checked yet who wrote them."""

    issuer: str
    client_id: str
    deployment: str
    context: str
    link: str


class Said(NamedTuple):
    """Where a launch says that it comes from, and who it is. Nobody has checked yet who wrote that."""

    names: Names
    subject: str
    state: str
    nonce: str


class _New(Exception):
    """Something is to be kept that is not kept yet."""


@dataclass
class _Standing:
    """What stands already: there is nothing to be kept but the row of the launch log."""

    kept: Place
    now: datetime
    logged: dict[str, Any] = field(default_factory=dict)

    def place(self, _platform: Registration, _deployment: str, _context: str, _link: str) -> Place:
        """The place of the names in the token, by which it was found."""
        return self.kept

    def remember(self, platform: Registration, place: Place, described: Mapping[str, Any]) -> None:
        """Raises _New."""
        if (described["product"] and not platform.product) or not place.stands(described, self.now):
            raise _New

    def log(self, trail: Trail) -> str:
        """Its row, to be written with the rest."""
        self.logged = log.row(trail, LAUNCHED, "", self.now)
        return str(self.logged["reference"])


def said_in(form: Mapping[str, str]) -> Said | None:
    """Where a launch says that it comes from, all names of it fit to be asked for; None where one is missing."""
    state, said = form.get("state", ""), tokens.unchecked(form.get("id_token", ""))
    audience = said.get("aud")
    client = audience if isinstance(audience, str) else said.get("azp")
    context, link = checks.named_place(said)
    found = (said.get("iss"), client, said.get(CLAIM + "deployment_id"), link, said.get("sub"), said.get("nonce"))
    if not (STATE.fullmatch(state) and all(isinstance(one, str) and is_identifier(one, 500) for one in found)):
        return None
    issuer, client, deployment, link, subject, nonce = (str(one) for one in found)
    return Said(Names(issuer, client, deployment, context, link), subject, state, nonce)


class Known(NamedTuple):
    """The place of a launch as it is kept: who may sign, and what is there."""

    platform: Registration
    keys: dict[str, Any]
    keys_at: datetime | None
    place: Place


def known(row: tuple[Any, ...]) -> Known:
    """The place in the first WIDTH columns of what PLACE gave."""
    keys, keys_at, *place = row[len(COLUMNS) : WIDTH]
    return Known(Registration(*row[: len(COLUMNS)]), keys, keys_at, Place(*place))


def check(
    there: Known, said: Said, form: Mapping[str, str], proof: Proof, public_url: str, now: datetime
) -> tuple[Launch, dict[str, Any]] | None:
    """The launch, by all its checks but two, and its row of the launch log as `logged_for` wants it. Whether login and
    nonce belong together, and to this browser, LOGIN_STANDS asks."""
    platform = there.platform
    trail = Trail(platform, platform.issuer, platform.client_id, passed="state")
    records = _Standing(there.place, now)
    try:
        launch = checks.check(
            form,
            Kept(0, said.nonce, platform, there.keys, there.keys_at),
            records,
            trail,
            binding=proof.binding,
            public_url=public_url,
            now=now,
            may_ask=True,
        )
    except (LaunchRefused, KeysWanted, _New):
        return None
    return launch, {f"log_{name}": value for name, value in records.logged.items()}


def asked_for(there: Known, said: Said, cookie: str) -> dict[str, Any]:
    """What LOGIN and LOGIN_STANDS ask with. `cookie`: of the login, as this browser shows it."""
    place = {"deployment": said.names.deployment, "context": said.names.context, "link": said.names.link}
    browser = sha256(cookie)
    return {**place, "state": said.state, "nonce": said.nonce, "browser": browser, "platform": there.platform.id}
