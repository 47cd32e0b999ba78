"""The launch of somebody who was here before, with as few words to the database as it takes (PostgreSQL; ADR 0027).

`names_in` reads in the token under which names its rows are found. `KEPT` finds by them login, registration, keys,
deployment and place: one query, to which the caller adds what it keeps of the person. `check` holds the token against
that row with every check of a launch, and writes nothing. The caller then writes all in one statement, which begins
with `HELD`. Whatever is not as it was, refused or new, gives None: `receive_launch` then does it from the start.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import CTE, and_, bindparam, insert, select, update

from lms_plugin.db import table
from lti import checks, log, tokens
from lti.checks import Kept, Place
from lti.claims import CLAIM, Launch
from lti.keysets import KeysWanted
from lti.launch import STATE, Proof
from lti.log import LaunchRefused, Trail
from lti.models import Deployment, KeySet, LaunchLog, LoginState, Platform, ResourceLink
from lti.platforms import COLUMNS, Registration
from lti.text import is_identifier
from lti.trails import LAUNCHED

_login, _keys, _deployment, _link = (table(kind).c for kind in (LoginState, KeySet, Deployment, ResourceLink))
_OPEN = and_(_login.consumed_at.is_(None), _login.expires_at > bindparam("now", type_=_login.expires_at.type))
_FOUND = (
    *(_login.id, _login.nonce, _login.browser_hash, _login.storage_hash),
    *(_keys.body, _keys.fetched_at),
    *(_deployment.id, _link.id, _link.title, _link.custom, _link.seen_at),
    *(_deployment.notices_url, _deployment.notice_types),
)
KEPT = (
    select(*COLUMNS, *(column.label(f"kept_{at}") for at, column in enumerate(_FOUND)))
    .join_from(table(LoginState), table(Platform), table(Platform).c.id == _login.platform_id)
    .join(table(KeySet), _keys.url == table(Platform).c.jwks_url)
    .join(
        table(Deployment),
        and_(_deployment.platform_id == table(Platform).c.id, _deployment.deployment_id == bindparam("deployment")),
    )
    .join(
        table(ResourceLink),
        and_(
            _link.deployment_id == _deployment.id,
            _link.context_id == bindparam("context"),
            _link.resource_link_id == bindparam("link"),
        ),
    )
    .where(_login.state == bindparam("state"), _OPEN)
)
WIDTH = len(COLUMNS) + len(_FOUND)  # what of a row of KEPT is ours; the caller's columns follow

# The login, if nobody has taken it meanwhile: of two requests at once the second waits here, and then finds nothing.
HELD = select(_login.id).where(_login.id == bindparam("login"), _OPEN).with_for_update().cte("held")
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


def taken_for(opened: CTE) -> CTE:
    """The login is used up, and led to the web session that this other part of the statement opens."""
    return (
        update(table(LoginState))
        .where(_login.id == bindparam("login"), opened.c.id.is_not(None))
        .values(consumed_at=bindparam("now", type_=_login.consumed_at.type), web_session_id=opened.c.id)
        .cte("taken")
    )


class Names(NamedTuple):
    """The names by which a launch finds its rows. Nobody has checked yet who wrote them."""

    state: str
    deployment: str
    context: str
    link: str
    subject: str


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


def names_in(form: Mapping[str, str]) -> Names | None:
    """Under which names a launch would find its rows, all of them fit to be asked for; None where one is missing."""
    state, said = form.get("state", ""), tokens.unchecked(form.get("id_token", ""))
    deployment, subject = said.get(CLAIM + "deployment_id"), said.get("sub")
    context, link = checks.named_place(said)
    if not (STATE.fullmatch(state) and isinstance(deployment, str) and is_identifier(deployment) and link):
        return None
    if not (isinstance(subject, str) and is_identifier(subject) and subject.isascii()):
        return None
    return Names(state, deployment, context, link, subject)


def check(
    row: tuple[Any, ...], form: Mapping[str, str], proof: Proof, public_url: str, now: datetime
) -> tuple[Launch, dict[str, Any]] | None:
    """The launch, by all its checks, and its row of the launch log as `logged_for` wants it. `row`: the first WIDTH
    columns of what KEPT gave for the `names_in` this form."""
    platform = Registration(*row[: len(COLUMNS)])
    login, nonce, browser_hash, storage_hash, keys, keys_at, *place = row[len(COLUMNS) : WIDTH]
    if platform.is_disabled or not proof.is_of(browser_hash, storage_hash):
        return None
    trail = Trail(platform, platform.issuer, platform.client_id, passed="state")
    records = _Standing(Place(*place), now)
    try:
        launch = checks.check(
            form,
            Kept(login, nonce, platform, keys, keys_at),
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
