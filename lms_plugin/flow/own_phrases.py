"""常用评语: what somebody writes again and again at the desk."""

from datetime import datetime

from sqlmodel import Session, col

import rubrics
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import find, owned
from lms_plugin.errors import Invalid, NotFound, Refused

MOST_PHRASES = 100
LONGEST_PHRASE = 500


def add_phrase(session: Session, actor: Actor, text: str, now: datetime) -> rubrics.Phrase:
    """Adds to the actor's 常用评语. Raises Invalid for an empty or too long one, Refused above 100 of them."""
    require(actor, Permission.SETTINGS_CHOOSE, own(actor))
    text = " ".join(text.split())
    if not text:
        raise Invalid({"text": "phrase.empty"})
    if len(text) > LONGEST_PHRASE:
        raise Invalid({"text": ("form.too_long", {"longest": LONGEST_PHRASE})})
    mine = session.exec(
        owned(rubrics.Phrase, actor.tenant_id).where(col(rubrics.Phrase.person_id).in_(actor.person_ids))
    ).all()
    for row in mine:
        if row.text == text:
            return row
    if len(mine) >= MOST_PHRASES:
        raise Refused("phrase.too_many", most=MOST_PHRASES)
    row = rubrics.Phrase(tenant_id=actor.tenant_id, person_id=actor.person_id, text=text, created_at=now)
    session.add(row)
    session.flush()
    return row


def delete_phrase(session: Session, actor: Actor, uuid: str) -> None:
    """Takes one of the actor's own phrases away. Raises NotFound for somebody else's."""
    require(actor, Permission.SETTINGS_CHOOSE, own(actor))
    row = find(session, rubrics.Phrase, actor.tenant_id, uuid)
    if not actor.is_author(row.person_id):
        raise NotFound
    session.delete(row)
    session.flush()
