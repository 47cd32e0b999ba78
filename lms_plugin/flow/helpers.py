"""Who helps a person: the foot of every page names them."""

from datetime import date

from sqlalchemy import and_, bindparam, case, func, literal, or_
from sqlalchemy import select as rows
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from lms_plugin.access import Actor
from lms_plugin.people import OrgMembership, OrgUnit, Person, Role, RoleKind

MOST_NAMED = 2  # a foot has room for two names

_HOME = (
    rows(col(OrgUnit.path))
    .join(OrgMembership, col(OrgMembership.org_unit_id) == col(OrgUnit.id))
    .where(
        col(OrgMembership.person_id) == bindparam("person"),
        col(OrgMembership.starts_on) <= bindparam("today"),
        or_(col(OrgMembership.ends_on).is_(None), col(OrgMembership.ends_on) >= bindparam("today")),
    )
    .order_by(col(OrgMembership.starts_on).desc(), col(OrgMembership.id).desc())
    .limit(1)
    .scalar_subquery()
)
_Holder = aliased(Person)  # a role may lie on a row that a merge absorbed: the row of today is named
# Every page asks: put together once.
_HELPERS = (
    rows(col(Role.kind), col(Person.name))
    .join(_Holder, col(_Holder.id) == col(Role.person_id))
    .join(Person, col(Person.id) == func.coalesce(col(_Holder.merged_into_id), col(_Holder.id)))
    .join(OrgUnit, col(OrgUnit.id) == col(Role.org_unit_id), isouter=True)
    .where(
        col(Role.tenant_id) == bindparam("tenant"),
        col(Role.revoked_at).is_(None),
        col(Role.is_provisional).is_(False),
        col(Person.id) != bindparam("person"),
        col(Person.name) != "",
        or_(
            and_(col(Role.kind) == RoleKind.SCHOOL_LEAD, col(OrgUnit.path) == _HOME),
            and_(
                col(Role.kind) == RoleKind.OFFICER,
                or_(
                    col(Role.org_unit_id).is_(None), _HOME.is_(None), _HOME.like(col(OrgUnit.path).concat(literal("%")))
                ),
            ),
        ),
    )
    .order_by(case((col(Role.kind) == RoleKind.SCHOOL_LEAD, 0), else_=1), col(Role.id))
    .limit(MOST_NAMED)
)


def helpers_of(session: Session, actor: Actor, today: date) -> tuple[RoleKind, tuple[str, ...]] | None:
    """The school leads of the actor's school; where there is none (or it is they themselves) the officers above it.

    At most `MOST_NAMED` names, all of one role; None where nobody is known yet. `today` is a day of the district's
    calendar. One query.
    """
    found = session.execute(_HELPERS, {"tenant": actor.tenant_id, "person": actor.person_id, "today": today}).all()
    if not found:
        return None
    kind = found[0][0]
    return kind, tuple(dict.fromkeys(name for other, name in found if other is kind))
