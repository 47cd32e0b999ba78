"""People who come from Open edX and have to prove who they are: without a 签字口令, with one, and who has."""

from datetime import datetime, timedelta

from sqlmodel import select

import lti
from lms_plugin.db import get, pk
from lms_plugin.flow import enter, proofs, sessions
from lms_plugin.people import Course, Identity, RoleKind
from tests import people as cast
from tests.factories import World, actor_of, add_person, course_of, grant

ISSUER = "https://edx.example"
WORD = "春眠不觉晓-2026"


def populate(world: World, now: datetime) -> dict[tuple[str, str], str]:
    """The cookies of three trainers in a course of Open edX, by key and language."""
    session, cookies = world.session, dict[tuple[str, str], str]()
    course = course_of(session, world.tenant, "course-v1:edx", now, ISSUER)
    get(session, lti.Platform, get(session, lti.Deployment, course.deployment_id).platform_id).product = "openedx"
    for key, name in (("edx", "沈初来"), ("edx_word", "沈有口令"), ("edx_proved", "沈确认过")):
        who = cast.Cast(key, name, "希望小学", key.upper().replace("_", ""))
        person = world.persons[key] = add_person(session, world.tenant, world.schools["希望小学"], who, now)
        grant(session, person, RoleKind.TRAINER, world.county, now)
        if key != "edx":
            proofs.choose_word(session, actor_of(session, person), WORD, WORD, now)
        for locale in sessions.LOCALES:
            proved_at = now - timedelta(hours=1) if key == "edx_proved" else None
            made = sessions.open_session(
                session, person, course, timedelta(hours=8), now, locale=locale, proved_at=proved_at
            )
            cookies[key, locale] = made.token
    _twin(world, now, course, cookies)
    session.flush()
    return cookies


def _twin(world: World, now: datetime, course: Course, cookies: dict[tuple[str, str], str]) -> None:
    """A teacher whose account has two rows, one for each door of the host; nobody has asked officers yet."""
    session, school = world.session, world.schools["希望小学"]
    for key, door in (("edx_twin", ""), ("edx_block", "block")):
        who = cast.Cast(key, "许两扇", "希望小学", key.upper().replace("_", ""))
        person = world.persons[key] = add_person(session, world.tenant, school, who, now)
        account = session.exec(select(Identity).where(Identity.person_id == pk(person))).one()
        account.issuer, account.subject, account.door = ISSUER, "twin", door
        enter.enrol(session, pk(world.programme), pk(person), now)
    for locale in sessions.LOCALES:
        person = world.persons["edx_twin"]
        cookies["edx_twin", locale] = sessions.open_session(
            session, person, course, timedelta(hours=8), now, locale=locale
        ).token
