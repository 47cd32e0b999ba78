"""Who is in a course, as its host lists it: the roster (NRPS 2.0) and its groups (Course Groups 1.0).

An answer is read whole or not at all: what is missing from a part of a list would look like people who have left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from lms_plugin.errors import Unavailable
from lms_plugin.net import Answer
from lti.hosts import Host
from lti.roles import context_roles
from lti.text import clean, is_identifier, links

MEMBERS = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
GROUPS = "https://purl.imsglobal.org/spec/lti-gs/scope/contextgroup.readonly"
MEMBERS_TYPE = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
GROUPS_TYPE = "application/vnd.ims.lti-gs.v1.contextgroupcontainer+json"
SETS_TYPE = "application/vnd.ims.lti-gs.v1.contextgroupsetcontainer+json"
_MOST_GROUPS = 50  # of one person


@dataclass(frozen=True)
class Member:
    """A person on a course's roster. `roles` are the host's strings; `status` as the host says it (NRPS 2.0, 2.2);
    `groups` are ids of the course's groups, where the host tells them."""

    subject: str
    name: str
    given_name: str
    family_name: str
    roles: frozenset[str]
    status: str = "Active"
    groups: tuple[str, ...] = ()

    @property
    def is_active(self) -> bool:
        """False = left or suspended."""
        return self.status == "Active"

    @property
    def is_learner(self) -> bool:
        """Whether the host lists them as a learner: more than it grades (Moodle lists non-editing teachers so)."""
        return "Learner" in context_roles(self.roles)

    @property
    def is_instructor(self) -> bool:
        """Whether the host lists them as an instructor."""
        return "Instructor" in context_roles(self.roles)


@dataclass(frozen=True)
class Roster:
    """Who is on a course's roster. `differences_url`: where the host tells what has changed since, "" = it does not."""

    members: list[Member]
    differences_url: str


@dataclass(frozen=True)
class Group:
    """A group of a course, with the name of the set that it belongs to, where it is in one."""

    key: str
    name: str
    set_name: str = ""


def roster_of(answers: Sequence[Answer], url: str, role: str, host: Host) -> Roster:
    """All pages of a roster put together; with `role`, those who hold it: hosts forget it from page to page (Moodle) or
    do not know it (Open edX). Raises Unavailable("nrps.no_members"), also for an entry that names nobody."""
    found: dict[str, Member] = {}
    differences = ""
    for answer in answers:
        changes = links(answer.headers.get("Link", "")).get("differences")
        differences = urljoin(url, changes) if changes else differences
        for entry in listed(answer, "members"):
            member = _member(entry, host)
            if not role or _short(role) in map(_short, member.roles):
                found[member.subject] = member
    return Roster(list(found.values()), differences)


def groups_of(answers: Sequence[Answer], sets: Sequence[Answer], host: Host) -> list[Group]:
    """All groups of a course. Raises Unavailable("nrps.no_members") for what is no whole list."""
    names = {_id(one): _text(one, "name", host, 200) for answer in sets for one in listed(answer, "sets")}
    found = {}
    for one in (entry for answer in answers for entry in listed(answer, "groups")):
        of_set = names.get(str(one.get("set_id", "")), "")
        found[_id(one)] = Group(_id(one), _text(one, "name", host, 200), of_set)
    return list(found.values())


def listed(answer: Answer, name: str) -> list[dict[str, Any]]:
    """The entries of a container. Raises Unavailable("nrps.no_members") for anything else."""
    page = answer.json()
    entries = page.get(name) if isinstance(page, dict) else None
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise Unavailable("nrps.no_members")
    return entries


def _short(role: str) -> str:
    """`Learner` of the full name and of the short one."""
    return role.rpartition("#")[2]


def _id(entry: dict[str, Any], key: str = "id") -> str:
    value = entry.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not is_identifier(value):
        raise Unavailable("nrps.no_members", words=key)
    return value


def _text(entry: dict[str, Any], key: str, host: Host, limit: int = 100) -> str:
    value = entry.get(key)
    return clean(host.member_text(value), limit) if isinstance(value, str) else ""


def _member(entry: dict[str, Any], host: Host) -> Member:
    """A roster entry. Raises Unavailable for one without a usable id: passed over, it would look like nobody."""
    roles, status, groups = entry.get("roles"), entry.get("status"), entry.get("group_enrollments")
    return Member(
        subject=_id(entry, "user_id"),
        name=_text(entry, "name", host),
        given_name=_text(entry, "given_name", host),
        family_name=_text(entry, "family_name", host),
        roles=frozenset(role for role in (roles if isinstance(roles, list) else []) if isinstance(role, str)),
        status=clean(status, 32) if isinstance(status, str) else "Active",
        groups=tuple(
            _id(one, "group_id") for one in (groups if isinstance(groups, list) else []) if isinstance(one, dict)
        )[:_MOST_GROUPS],
    )
