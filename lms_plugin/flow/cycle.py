"""学时周期: how many years and hours a district counts by. Only how totals are told changes, never the ledger."""

from sqlmodel import Session

import competencies
from competencies import CycleRule
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import get
from lms_plugin.errors import Invalid
from lms_plugin.people import Tenant

FIRST_YEARS = (2000, 2100)
MOST_NEEDED = 10_000_00
"""Hundredths: 10 000 学时 in a cycle is a slip of the keyboard."""


def rule_of(session: Session, actor: Actor) -> CycleRule:
    """The district's rule, for who may change it."""
    require(actor, Permission.PROGRAMME_EDIT, Scope(actor.tenant_id))
    return competencies.cycle_rule(get(session, Tenant, actor.tenant_id).cycle)


def set_rule(session: Session, actor: Actor, rule: CycleRule) -> None:
    """The rule from now on, for all years. Raises Invalid naming the fields that do not fit."""
    require(actor, Permission.PROGRAMME_EDIT, Scope(actor.tenant_id))
    bounds = {
        "years": (rule.years, 1, competencies.cycles.MOST_YEARS),
        "first_year": (rule.first_year, *FIRST_YEARS),
        "practice_percent": (rule.practice_percent, 0, 100),
    }
    wrong: dict[str, str | tuple[str, dict[str, object]]] = {
        name: ("form.number", {"least": least, "most": most})
        for name, (value, least, most) in bounds.items()
        if not least <= value <= most
    }
    if not 0 <= rule.need_hundredths <= MOST_NEEDED:
        wrong["need"] = ("form.number", {"least": 0, "most": MOST_NEEDED // 100})
    if wrong:
        raise Invalid(wrong)
    tenant = get(session, Tenant, actor.tenant_id)
    tenant.cycle = rule.stored()
    session.add(tenant)
    session.flush()
