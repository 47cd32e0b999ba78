"""Every call into `lti_consumer`, the LTI part of Open edX, and into Django's settings. Nothing else here imports it.

What it asks of the consumer is tried live with 9.16.1 and 11.4.4. Both keep keys in tables of their own: 11 in
passports that configurations share, 9 in each configuration, so that there every block gets a copy of the site's keys.
Either way the tool has one registration: one client id, one key set, one address for tokens.
"""

import logging
import re
import secrets
import sys
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.db.models.signals import post_save

log = logging.getLogger(__name__)


def warn(message: str, thing: object) -> None:
    """A line in the LMS's log of what went wrong, called where an exception is caught; its traceback only for who looks
    for it (level DEBUG): a block that is gone, or a course that gives no credit, is no fault of the LMS."""
    name = type(sys.exception()).__name__
    log.warning("nengli: %s: %s: %s", thing, message, name, exc_info=log.isEnabledFor(logging.DEBUG))


BLOCK_TYPE = "nengli"
OLDEST = (9, 16)  # the oldest consumer that this was tried with
POINTS, HOURS = "points", "hours"
SITE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:nengli:site")  # of the one passport: two processes at once make one
_LABELS = {POINTS: "能力点 Points", HOURS: "学时 Hours"}
_LONGEST_LABEL = 100


class NotReady(Exception):
    """The block cannot open the tool. `code` is one of `PROBLEMS`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


PROBLEMS = ("consumer_missing", "consumer_old", "tool_missing", "tool_invalid")


@dataclass(frozen=True)
class Registration:
    """What whoever registers this site in the tool types there. `number` is the last part of the key set's address."""

    site: str
    client_id: str
    number: str
    keyset_url: str
    token_url: str
    login_url: str
    deployment: str = "1"


class Score(NamedTuple):
    """The newest final score of somebody in a column, as the tool gave it."""

    given: float
    maximum: float
    comment: str
    at: datetime


# --- is everything there? ---


def tool_url() -> str:
    """The tool's address, without a slash at the end; "" where the site has not said it."""
    bucket = (getattr(settings, "XBLOCK_SETTINGS", None) or {}).get(BLOCK_TYPE) or {}
    return str(bucket.get("tool_url") or "").strip().rstrip("/")


def consumer_version() -> str:
    """The version of the LTI consumer; "" where it is not one of this site's applications."""
    if not apps.is_installed("lti_consumer"):
        return ""
    import lti_consumer  # noqa: PLC0415 - it may be absent

    return str(getattr(lti_consumer, "__version__", "0"))


def problem() -> str:
    """Why no block of this site can open the tool, of `PROBLEMS`; "" where all is well. Asks nobody, no database."""
    version = consumer_version()
    if not version:
        return "consumer_missing"
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < OLDEST:
        return "consumer_old"
    address = tool_url()
    if not address:
        return "tool_missing"
    parts = urlsplit(address)
    is_here = parts.hostname in ("localhost", "127.0.0.1")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
        return "tool_invalid"
    return "" if parts.hostname and not parts.query and not parts.fragment and len(address) <= 180 else "tool_invalid"


def is_studio() -> bool:
    """Whether this process is not the LMS: there, no learner calls a handler. An LMS that was started without its
    variant is known by its addresses (`ROOT_URLCONF` of lms/envs/common.py)."""
    urls = str(getattr(settings, "ROOT_URLCONF", ""))
    return getattr(settings, "SERVICE_VARIANT", "") != "lms" and not urls.startswith("lms.")


def _need() -> None:
    if code := problem():
        raise NotReady(code)


def _models() -> Any:
    from lti_consumer import models  # noqa: PLC0415 - it may be absent

    return models


# --- one registration for the site ---


def registration() -> Registration:
    """The site's registration; made when it is first asked for. Raises NotReady."""
    _need()
    from lti_consumer import utils  # noqa: PLC0415 - it may be absent

    site = _site()
    passport = getattr(site, "lti_1p3_passport", None)
    number = str(passport.passport_id if passport is not None else site.config_id)
    return Registration(
        site=utils.get_lti_api_base(),
        client_id=site.lti_1p3_client_id,
        number=number,
        keyset_url=utils.get_lms_lti_keyset_link(number),
        token_url=utils.get_lms_lti_access_token_link(number),
        login_url=utils.get_lms_lti_launch_link(),
    )


def _addresses() -> dict[str, Any]:
    """What every configuration says of the tool and of what it may do."""
    address = tool_url()
    return {
        "version": "lti_1p3",
        "config_store": "CONFIG_ON_DB",
        "lti_1p3_oidc_url": f"{address}/lti/login",
        "lti_1p3_launch_url": f"{address}/lti/launch",
        "lti_advantage_enable_nrps": True,
        "lti_advantage_deep_linking_enabled": True,
        "lti_advantage_deep_linking_launch_url": f"{address}/lti/launch",
    }


_KEYS = (
    "lti_1p3_client_id",
    "lti_1p3_internal_private_key",
    "lti_1p3_internal_private_key_id",
    "lti_1p3_internal_public_jwk",
    "lti_1p3_tool_keyset_url",
)


def _site() -> Any:
    """The configuration that belongs to no block and keeps the site's keys alive: the consumer deletes a passport with
    the last block that uses it, and the tool would then know us no more."""
    models, wanted = _models(), {**_addresses(), "lti_advantage_ags_mode": "disabled"}
    keyset = f"{tool_url()}/.well-known/jwks.json"
    passports = getattr(models, "Lti1p3Passport", None)
    if passports is None:
        wanted["lti_1p3_tool_keyset_url"] = keyset
    else:
        named = {"name": "Nengli", "lti_1p3_tool_keyset_url": keyset}
        passport, _ = passports.objects.get_or_create(passport_id=SITE, defaults=named)
        _put(passport, named)
        wanted["lti_1p3_passport"] = passport
    row, _ = models.LtiConfiguration.objects.get_or_create(config_id=SITE, defaults=wanted)
    _put(row, wanted)
    held = row if passports is None else row.lti_1p3_passport
    if not held.lti_1p3_internal_public_jwk:  # asking the consumer writes the row each time: one row for all launches
        _ = held.lti_1p3_private_key_id, held.lti_1p3_public_jwk
        row.refresh_from_db()
    return row


def _put(row: Any, wanted: dict[str, Any]) -> None:
    """Writes what is different."""
    if any(getattr(row, name) != value for name, value in wanted.items()):
        for name, value in wanted.items():
            setattr(row, name, value)
        row.save()


def configuration(block: Any) -> Any:
    """The consumer's row for this block, with its two columns; made and put right as need be. Raises NotReady."""
    _need()
    models, location = _models(), block.scope_ids.usage_id
    with transaction.atomic():
        site, wanted = _site(), {**_addresses(), "lti_advantage_ags_mode": "declarative"}
        if getattr(site, "lti_1p3_passport", None) is not None:
            wanted["lti_1p3_passport"] = site.lti_1p3_passport
        else:
            wanted |= {name: getattr(site, name) for name in _KEYS}
        row, _ = models.LtiConfiguration.objects.get_or_create(location=location, defaults=wanted)
        _put(row, wanted)
        # Points first: the consumer offers a launch the first column, and to the gradebook only that of the block.
        for kind in (POINTS, HOURS):
            _column(row, kind, block)
    return row


def _column(row: Any, kind: str, block: Any) -> Any:
    """The column of a block. Its name is the one by which the tool looks for it (`report.column_name` there)."""
    name, location = column_name(block.programme, kind), block.scope_ids.usage_id
    is_linked = kind == POINTS
    wanted = {
        "resource_id": name or str(location),
        "tag": name or f"nengli::{kind}",
        "label": f"{_LABELS[kind]} · {block.display_name or ''}"[:_LONGEST_LABEL],
        "score_maximum": round(block.max_score() or 0) if is_linked else 0,
        "resource_link_id": location if is_linked else None,
    }
    known = row.ltiagslineitem_set.filter(tag__startswith="nengli:", tag__endswith=f":{kind}").order_by("id").first()
    if known is None:
        return row.ltiagslineitem_set.create(**wanted)
    _put(known, wanted)
    return known


def column_name(programme: str, kind: str) -> str:
    """The tool's name for a column; "" without a programme. At most 46 letters: the consumer keeps 50."""
    return f"nengli:{programme}:{kind}" if programme else ""


# --- launches ---


def launch_url(block: Any, account: "Account") -> str:
    """Where a launch of this account begins. Raises NotReady."""
    return _start(block, account, account.role, deep_link=False)


def picker_url(block: Any, account: "Account") -> str:
    """Where the tool's page begins on which an author chooses what the block opens (Deep Linking). The consumer takes
    the answer only from somebody who may write to the course in Studio. Raises NotReady."""
    return _start(block, account, "staff", deep_link=True)


def may_write(block: Any, account: "Account") -> bool:
    """Whether the account may write to the block's course in Studio. Studio lets whoever is signed in call a block's
    handlers, but for the one that saves its form. Raises NotReady."""
    _need()
    from lti_consumer.plugin import compat as theirs  # noqa: PLC0415 - it may be absent

    user = theirs.get_user_from_external_user_id(account.subject)
    return bool(theirs.user_has_studio_write_access(user, block.scope_ids.usage_id.context_key))


def _start(block: Any, account: "Account", role: str, *, deep_link: bool) -> str:
    config_id = configuration(block).config_id
    from lti_consumer.api import get_lti_1p3_launch_start_url  # noqa: PLC0415 - it may be absent
    from lti_consumer.data import Lti1p3LaunchData  # noqa: PLC0415 - as above
    from lti_consumer.lti_1p3.constants import LTI_1P3_ROLE_MAP  # noqa: PLC0415 - as above

    course = str(block.scope_ids.usage_id.context_key)
    data = Lti1p3LaunchData(
        # The consumer makes its message hint of this and the usage key, and launches whoever brings the hint back
        # within ten minutes, signed in or not. It does nothing else with it: the tool is told `external_user_id`.
        user_id=f"{account.number}-{secrets.token_hex(16)}",
        external_user_id=account.subject,
        user_role=role if role in LTI_1P3_ROLE_MAP else "student",
        config_id=config_id,
        resource_link_id=str(block.scope_ids.usage_id),
        launch_presentation_document_target="iframe",
        context_id=course,
        context_type=["course_offering"],
        context_title=_course_title(block),
        context_label=course,
        custom_parameters=block.target(),
    )
    return str(get_lti_1p3_launch_start_url(data, deep_link_launch=deep_link))


def _course_title(block: Any) -> str:
    from lti_consumer.plugin import compat as theirs  # noqa: PLC0415 - it may be absent

    key = block.scope_ids.usage_id.context_key
    try:
        return str(theirs.get_course_by_id(key).display_name_with_default) or str(key)
    except Exception:  # a title is a help, no launch hangs on it
        log.info("nengli: no title for %s", key, exc_info=True)
        return str(key)


@dataclass(frozen=True)
class Account:
    """Whose block it is. `subject` is the id by which tools know the account, in every course and block ("" where it
    was not asked for). `is_preview`: one of the course team looks at it as a learner ("View this course as")."""

    number: int
    role: str
    is_preview: bool = False
    subject: str = ""


def chosen(block: Any) -> dict[str, str] | None:
    """What an author has last chosen on the tool's page, of several things the first; None where nothing was. Raises
    NotReady."""
    row = configuration(block)
    item = row.ltidlcontentitem_set.order_by("id").first()  # an answer replaces the one before
    if item is None or not isinstance(item.attributes, dict):
        return None
    found, custom = item.attributes, item.attributes.get("custom") or {}
    return {
        "title": str(found.get("title") or ""),
        "programme": str(custom.get("nengli_programme") or ""),
        "view": str(custom.get("nengli_view") or ""),
        "point": str(custom.get("nengli_point") or ""),
    }


# --- scores ---


def listen() -> None:
    """From now on hours that the tool reports reach their block. Points come by the consumer's own signal."""
    if consumer_version():
        post_save.connect(_score_came, sender=_models().LtiAgsScore, dispatch_uid="nengli_xblock")


def _score_came(instance: Any, **_more: Any) -> None:
    """A score was written. What goes wrong here is logged and costs the tool nothing: its score is kept, and the card
    reads it when it is looked at next."""
    item = instance.line_item
    location = item.lti_configuration.location
    kind = item.tag.rpartition(":")[2]
    if not _is_ours(location) or kind not in (POINTS, HOURS):
        return
    if instance.grading_progress != "FullyGraded" or instance.score_given is None or not instance.score_maximum:
        return
    from lti_consumer.plugin import compat as theirs  # noqa: PLC0415 - it may be absent

    score = Score(instance.score_given, instance.score_maximum, instance.comment or "", instance.timestamp)
    others = [other for other in _places(item) if other != location]
    # The grade of the block itself is published by the consumer, which asks for its points beforehand.
    for place in [*others, *([location] if kind == HOURS else [])]:
        try:
            with transaction.atomic():
                block = theirs.load_block_as_user(place)
                block.take(theirs.get_user_from_external_user_id(instance.user_id), kind, score)
        except Exception:  # one block that cannot be loaded must not keep the score from the others
            warn("a score did not arrive", place)


def _items(item_or_tag: Any, course: Any) -> list[Any]:
    """The columns of that name in a course: one for each block that opens the programme."""
    rows = _models().LtiAgsLineItem.objects.filter(tag=item_or_tag).select_related("lti_configuration").order_by("id")
    places = ((row, row.lti_configuration.location) for row in rows)
    return [row for row, place in places if getattr(place, "context_key", None) == course and _is_ours(place)]


def _is_ours(place: Any) -> bool:
    """Whether the place is a block of ours: any tool of a stock component may call its own columns as ours are called,
    and what it reports there is none of ours."""
    return getattr(place, "block_type", None) == BLOCK_TYPE


def _places(item: Any) -> list[Any]:
    location = item.lti_configuration.location
    if item.tag.startswith("nengli::"):  # no programme was chosen: that block stands for itself
        return [location]
    return [row.lti_configuration.location for row in _items(item.tag, location.context_key)]


def newest(block: Any, kind: str, subject: str) -> Score | None:
    """The newest final score of an account in a column of the block's course; None without one. Raises NotReady."""
    _need()
    location, name = block.scope_ids.usage_id, column_name(block.programme, kind)
    rows = _models().LtiAgsScore.objects.filter(
        user_id=subject, grading_progress="FullyGraded", score_given__isnull=False, score_maximum__gt=0
    )
    if name:
        rows = rows.filter(line_item__in=[item.pk for item in _items(name, location.context_key)])
    else:
        rows = rows.filter(line_item__lti_configuration__location=location, line_item__tag=f"nengli::{kind}")
    found = rows.order_by("-timestamp").first()
    if found is None:
        return None
    return Score(found.score_given, found.score_maximum, found.comment or "", found.timestamp)
