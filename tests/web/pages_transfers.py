"""Transfers and arrivals in the states that pages show."""

from datetime import datetime

import competencies
from competencies import CreditKind
from lms_plugin.access import Actor
from lms_plugin.db import find, pk
from lms_plugin.flow import arrivals, transfers
from tests import people as cast
from tests.factories import World
from tests.moving import SECRET, There, there_of

domain = competencies.transfers
FAR = "0123456789AB"  # a code of another installation


def populate(world: World, now: datetime) -> dict[str, str]:
    """Of 陈晓芳 a request, of 李建国 a file that was handed over; for 周文静 and 孙立新 records from 邻县, one waiting,
    one taken in."""
    session, officer = world.session, world.actor(cast.OFFICER)
    found = {"transfer_asked": transfers.ask(session, world.actor(cast.CHEN), FAR, "安宁县", now).uuid}
    handed = transfers.ask(session, world.actor(cast.LI), FAR.replace("0", "9"), "安宁县", now).uuid
    transfers.release(session, officer, handed, SECRET, now)
    transfers.hand_over(session, officer, handed, now)
    there = there_of(world, cast.SUN)
    taken = _come(there, world.actor(cast.SUN), now)
    package = arrivals.package_of(session, find(session, domain.Arrival, pk(world.tenant), taken), now)
    choice = arrivals.Choice(world.programme.uuid, frozenset(line.block for line in package.lines), {})
    arrivals.accept(session, officer, taken, choice, now)
    there.person.name = cast.ZHOU.name
    session.add(there.person)
    session.flush()
    waiting = _come(there, world.actor(cast.ZHOU), now)
    return {**found, "transfer_handed": handed, "arrival_taken": taken, "arrival_waiting": waiting}


def _come(there: There, teacher: Actor, now: datetime) -> str:
    """Hours of 邻县 come to that teacher of 平安县; gives the arrival's uuid."""
    session = there.world.session
    basis = competencies.Basis(there.programme.policy_id or 0)
    competencies.credit(
        session, pk(there.tenant), pk(there.programme), pk(there.person), CreditKind.ONLINE, 600, basis, now
    )
    code = arrivals.open_code(session, teacher, now)
    uuid = transfers.ask(session, there.teacher, code.code, "", now).uuid
    transfers.release(session, there.officer, uuid, SECRET, now)
    return code.uuid
