"""签字口令: by which somebody proves who they are, where the platform that they come from does not (ADR 0045)."""

from datetime import datetime

from sqlmodel import Field

from lms_plugin.db import Model


class SigningWord(Model, table=True):
    """A person's own 签字口令, and the 确认码 that an officer or school lead has given them. Of both only salted hashes
    are kept (`flow.proofs`), "" for none. It signs nobody in: it is asked of who is signed in already."""

    __tablename__ = "signing_word"
    person_id: int = Field(foreign_key="person.id", primary_key=True, sa_column_kwargs={"autoincrement": False})
    tenant_id: int = Field(foreign_key="tenant.id")
    word_hash: str = Field(default="", max_length=200)
    set_at: datetime | None = None
    code_hash: str = Field(default="", max_length=200)
    code_by_id: int | None = Field(default=None, foreign_key="person.id")
    code_at: datetime | None = None
