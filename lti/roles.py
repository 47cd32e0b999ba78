"""What a launch's roles mean here.

Sources: LTI 1.3 core A.2 (role vocabularies); Moodle sends membership roles; Open edX consumer 9.x sends institution
roles alone and 11.x adds `#None` roles to everybody.
"""

from collections.abc import Iterable

_MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership"
_INSTITUTION = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#"
_SYSTEM = "http://purl.imsglobal.org/vocab/lis/v2/system/person#"
_SHORT = {"Administrator", "ContentDeveloper", "Instructor", "Learner", "Mentor", "Manager", "Member", "Officer"}


def _membership(role: str) -> str:
    """The principal context role that `role` states, or "". A sub-role counts as its principal role."""
    if role.startswith(_MEMBERSHIP + "#"):
        return role.removeprefix(_MEMBERSHIP + "#")
    if role.startswith(_MEMBERSHIP + "/"):
        return role.removeprefix(_MEMBERSHIP + "/").partition("#")[0]
    short = role.removeprefix("urn:lti:role:ims/lis/").partition("/")[0].partition("#")[0]
    return short if short in _SHORT else ""


def context_roles(roles: Iterable[str]) -> frozenset[str]:
    """Names of the roles in the course: those of the membership vocabulary, or, where the host sends none of it,
    Learner/Instructor from the institution's Student/Instructor. `None` roles say nothing. Unknown ones grant nothing.
    """
    given = list(roles)
    membership = frozenset(_membership(role) for role in given) - {"", "None"}
    if membership:
        return membership
    institution = {role.removeprefix(_INSTITUTION) for role in given if role.startswith(_INSTITUTION)}
    names = {"Student": "Learner", "Learner": "Learner", "Instructor": "Instructor"}
    return frozenset(names[name] for name in institution if name in names)


def is_administrator(roles: Iterable[str]) -> bool:
    """Whether the host calls this person an administrator of anything (course, institution, site)."""
    given = list(roles)
    above = {_INSTITUTION + "Administrator", _SYSTEM + "Administrator", _SYSTEM + "SysAdmin"}
    return "Administrator" in {_membership(role) for role in given} or not above.isdisjoint(given)
