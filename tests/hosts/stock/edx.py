"""The parts of edx-platform that the consumer asks for, as small stand-ins in memory.

The consumer runs as published, not a line of it is replaced: what its `plugin/compat.py` imports of edx-platform when
it needs it is found here, because `stand_in` puts modules of those names among the loaded ones. What it only tries to
import (forum roles, event tracking, course signals) is absent, as it may be. A stand-in that has a counterpart in
edx-platform names it, and does what that one did in the versions of 2026.
"""

import os
import sys
import uuid
from types import ModuleType, SimpleNamespace
from typing import Any

from django.contrib.auth import get_user_model
from opaque_keys.edx.keys import CourseKey
from xblock.core import XBlock, XBlockMixin
from xblock.fields import Boolean, DateTime, Scope, ScopeIds, Timedelta, UserScope
from xblock.runtime import DictKeyValueStore, KvsFieldData, MemoryIdManager, NullI18nService, Runtime

ROOT = os.environ["STOCK_ROOT"]
COURSE = CourseKey.from_string("course-v1:PINGAN+ICT2026+2026_Autumn")
STAFF = ("staff", "instructor")  # edx-platform's names: course team, and course admin
ROLES: dict[str, str] = {}  # what an account is in the course, by username
PUBLISHED: list[dict[str, Any]] = []  # every event that a block has published: grades among them
DELETED: set[str] = set()  # blocks that are no more
GATED: set[str] = set()  # blocks behind something that has to be done first
FIELDS = DictKeyValueStore()  # what Studio and learners have stored in blocks


def stand_in(path: str, **members: Any) -> None:
    """Makes `import path` give a module with these members."""
    parts = path.split(".")
    for n in range(1, len(parts) + 1):
        name = ".".join(parts[:n])
        if name not in sys.modules:
            sys.modules[name] = ModuleType(name)
            sys.modules[name].__path__ = []  # a package: other modules below it are "not found", not an error
    vars(sys.modules[path]).update(members)


# --- blocks ---


class Inherited(XBlockMixin):
    """What edx-platform mixes into every block."""

    start = DateTime(default=None, scope=Scope.settings)
    due = DateTime(default=None, scope=Scope.settings)
    graceperiod = Timedelta(default=None, scope=Scope.settings)
    graded = Boolean(default=True, scope=Scope.settings)

    @property
    def location(self) -> Any:
        return self.scope_ids.usage_id

    @property
    def course_id(self) -> Any:
        return self.scope_ids.usage_id.course_key


class Sentences(NullI18nService):
    """edx-platform's translations still go by Django's old name."""

    @staticmethod
    def ugettext(words: str) -> str:
        return words


class Accounts:
    """Who looks at a block: `DjangoXBlockUserService` (common/djangoapps/xblock_django/user_service.py)."""

    def __init__(self, account: Any, role: str = "student") -> None:
        self._django_user, self._role = account, role

    def get_current_user(self) -> SimpleNamespace:
        account = self._django_user
        if account is None or not account.is_authenticated:
            return SimpleNamespace(
                is_current_user=True,
                emails=[],
                full_name=None,
                opt_attrs={"edx-platform.is_authenticated": False, "edx-platform.request_country_code": None},
            )
        known = {
            "is_authenticated": True,
            "user_id": account.id,
            "username": account.username,
            "anonymous_user_id": f"anonymous-{account.id}",
            "user_role": self._role,
            "user_is_staff": bool(account.is_staff),
            "user_preferences": {"pref-lang": "zh-cn"},
        }
        return SimpleNamespace(
            is_current_user=True,
            emails=[account.email],
            full_name=account.get_full_name(),
            opt_attrs={f"edx-platform.{name}": value for name, value in known.items()},
        )

    def get_external_user_id(self, kind: str) -> str:
        """From the database, as there."""
        if kind != "lti":
            raise ValueError(f"External ID type: {kind} does not exist")
        return external_id(get_user_model().objects.get(pk=self._django_user.pk))


class NotAnonymous(Exception):
    """`RebindUserServiceError`."""


class Rebinding:
    """Gives a block that was loaded for nobody to a learner: `RebindUserService` (xmodule/services.py)."""

    def __init__(self, account: Any) -> None:
        self.account = account

    def rebind_noauth_module_to_user(self, block: Any, account: Any) -> None:
        if self.account is not None and self.account.is_authenticated:
            raise NotAnonymous("rebind_noauth_module_to_user can only be called from a module bound to nobody")
        bind(block, account)


class Credits:
    """The requirements of courses that give credit: `CreditService` (openedx/core/djangoapps/credit/services.py)."""

    def set_credit_requirement_status(
        self, user_id: int, _course: Any, namespace: str, name: str, status: str = "satisfied", reason: Any = None
    ) -> None:
        told = {"kind": "credit", "block": name.rpartition("@")[2], "user_id": user_id, "namespace": namespace}
        PUBLISHED.append({**told, "status": status, "reason": reason})

    def remove_credit_requirement_status(self, user_id: int, course: Any, namespace: str, name: str) -> None:
        self.set_credit_requirement_status(user_id, course, namespace, name, "removed")


class NoSettings:
    """Studio's buckets of settings for all blocks of a kind."""

    def get_settings_bucket(self, _block: Any, default: Any = None) -> Any:
        return default or {}


class Lms(Runtime):
    """The runtime of the blocks: keeps fields in memory and writes down what is published."""

    def __init__(self) -> None:
        ids = MemoryIdManager()
        services = {
            "field-data": KvsFieldData(FIELDS),
            "i18n": Sentences(),
            "rebind_user": Rebinding(None),
            "credit": Credits(),
            "settings": NoSettings(),
            "user": Accounts(None),
        }
        self.account: Any = None
        super().__init__(ids, ids, mixins=[Inherited], services=services)

    def handler_url(
        self, block: Any, handler_name: str, suffix: str = "", query: str = "", thirdparty: bool = False
    ) -> str:
        return f"{ROOT}/handler/{block.scope_ids.usage_id}/{handler_name}/{suffix}"

    def resource_url(self, resource: str) -> str:
        return f"{ROOT}/static/{resource}"

    def local_resource_url(self, _block: Any, uri: str) -> str:
        return f"{ROOT}/resource/{uri}"

    def publish(self, block: Any, event_type: str, event_data: dict[str, Any]) -> None:
        """What the LMS would do with it: `EventPublishingService` (xmodule/services.py). It is of whoever the block is
        bound to, whatever the event says of a user; a visitor has no grade, and who is looked at gets none either."""
        account = self.account
        is_known = account is not None and account.is_authenticated
        if event_type in ("grade", "completion") and (not is_known or is_seen_as(account)):
            return
        told = {**event_data, "user_id": account.id} if is_known else event_data
        PUBLISHED.append({"kind": event_type, "block": block.scope_ids.usage_id.block_id, **told})


def bind(block: Any, account: Any) -> Any:
    """Lets the block see that account: `bind_for_student` (xmodule/x_module.py), after the runtime got its services
    (`prepare_runtime_for_user` of lms/djangoapps/courseware/block_render.py)."""
    block.runtime.account = account
    block.runtime._services |= {"user": Accounts(account, role_of(account)), "rebind_user": Rebinding(account)}
    number = getattr(account, "id", None)
    if number is not None and block.scope_ids.user_id == number:
        return block
    block.save()
    block.scope_ids = block.scope_ids._replace(user_id=number)
    for field in block.fields.values():  # what it has read for somebody else is forgotten
        if field.scope not in (Scope.parent, Scope.children) and field.scope.user == UserScope.ONE:
            field._del_cached_value(block)
            block._dirty_fields.pop(field, None)
    return block


def is_seen_as(account: Any) -> bool:
    """`is_masquerading_as_specific_student` (lms/djangoapps/courseware/masquerade.py)."""
    mask = getattr(account, "masquerade_settings", {}).get(COURSE)
    return bool(mask and mask.user_name)


def role_of(account: Any) -> str:
    """`get_user_role` (lms/djangoapps/courseware/access.py)."""
    mask = getattr(account, "masquerade_settings", {}).get(COURSE)
    return mask.role if mask else ROLES.get(getattr(account, "username", ""), "student")


def may_load(account: Any, block: Any) -> bool:
    """`has_access(user, "load", block)`: a gate holds back whoever is not of the team."""
    return role_of(account) in STAFF or block.scope_ids.usage_id.block_id not in GATED


def block_for(user: Any, block: Any, **_rest: Any) -> Any:
    """`get_block_for_descriptor` (lms/djangoapps/courseware/block_render.py): binds the block, and only then looks
    whether this user may see it. Then it gives nothing; the consumer goes on with the block that it had."""
    bind(block, user)
    return block if may_load(user, block) else None


def block_at(location: Any, account: Any = None) -> Any:
    """The block of that usage key, found as the LMS finds the classes of blocks: by entry point."""
    runtime = Lms()
    kind = runtime.mixologist.mix(XBlock.load_class(location.block_type))
    block = runtime.construct_xblock_from_class(kind, ScopeIds(None, location.block_type, location, location))
    return bind(block, account)


def block_named(name: str, account: Any = None) -> Any:
    """A consumer block of the one course."""
    return block_at(COURSE.make_usage_key("lti_consumer", name), account)


def add_block(name: str, kind: str = "lti_consumer", **fields: Any) -> None:
    """What an author does in Studio: a block with these fields."""
    block = block_at(COURSE.make_usage_key(kind, name))
    for field, value in fields.items():
        setattr(block, field, value)
    block.save()


# --- accounts ---


class LtiError(Exception):
    """The base of what edx-platform raises here."""


class NoSuchId(Exception):
    """`ExternalId.DoesNotExist`."""


def external_id(account: Any) -> str:
    """The id by which tools know an account: the same in every course and block."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{ROOT}/{account.username}"))


class ExternalIds:
    """The manager of the model ExternalId."""

    def get(self, *, external_user_id: str, external_id_type__name: str) -> SimpleNamespace:
        for account in get_user_model().objects.all():
            if external_id_type__name == "lti" and external_id(account) == str(external_user_id):
                return SimpleNamespace(user=account, external_user_id=external_user_id)
        raise NoSuchId(external_user_id)


class ExternalId:
    """edx-platform's table of such ids."""

    DoesNotExist = NoSuchId
    objects = ExternalIds()

    @staticmethod
    def batch_get_or_create_user_ids(accounts: Any, _kind: str) -> dict[int, SimpleNamespace]:
        return {account.id: SimpleNamespace(external_user_id=external_id(account)) for account in accounts}


def members(_course: Any) -> dict[int, dict[str, Any]]:
    """Everybody who is enrolled."""
    return {
        account.id: {
            "id": account.id,
            "username": account.username,
            "email": account.email,
            "name": account.get_full_name(),
            "enrollment_mode": "audit",
            "roles": [ROLES[account.username]],
        }
        for account in get_user_model().objects.filter(username__in=ROLES).order_by("id")
    }


# --- where the consumer looks ---


class Flag:
    """A switch of a course, off: the consumer's defaults."""

    def __init__(self, *_names: Any) -> None:
        pass

    def is_enabled(self, *_course: Any) -> bool:
        return False


class Blocks:
    """The store of blocks."""

    def get_item(self, location: Any) -> Any:
        if location.block_id in DELETED:
            raise LookupError(location)
        return block_at(location)

    def update_item(self, block: Any, _account: Any) -> None:
        block.save()


stand_in("openedx.core.djangoapps.waffle_utils", CourseWaffleFlag=Flag)
stand_in("openedx.core.djangoapps.xblock", api=None)  # blocks of libraries: there are none
stand_in("openedx.core.djangoapps.external_user_ids.models", ExternalId=ExternalId)
stand_in(
    "openedx.core.lib.courses",
    get_course_by_id=lambda _key: SimpleNamespace(
        display_name_with_default="信息技术应用能力提升", display_org_with_default="平安县", lti_passports=[]
    ),
)
stand_in("xmodule.modulestore.django", modulestore=Blocks)
stand_in("lms.djangoapps.courseware.block_render", get_block_for_descriptor=block_for)
stand_in("lms.djangoapps.courseware.access", has_access=lambda account, *_rest: account.is_authenticated)
stand_in(
    "lms.djangoapps.courseware.courses", check_course_access=lambda _c, account, *_r, **_k: account.is_authenticated
)
stand_in("lms.djangoapps.course_api.api", get_course_members=members)
stand_in("lms.djangoapps.course_api.exceptions", OverEnrollmentLimitException=LtiError)
stand_in(
    "common.djangoapps.student.auth",
    has_studio_write_access=lambda account, _course: ROLES.get(account.username) in STAFF,
)
