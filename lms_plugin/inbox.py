"""消息: what a person is told because something needs an act of theirs, and the address to which it may go too."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint, text
from sqlmodel import Field

from lms_plugin.db import Model, Owned


class Message(Owned, table=True):
    """One thing that one person is told; told again it is unread again. `kind` says what (`flow.message_words`), `key`
    about which thing (its uuid), `params` what the words need: titles and codes, never a name or a mark."""

    __tablename__ = "message"
    __table_args__ = (
        UniqueConstraint("person_id", "kind", "key"),
        UniqueConstraint("tenant_id", "id"),
        Index(
            "ix_message_unread",
            "person_id",
            sqlite_where=text("read_at IS NULL"),
            postgresql_where=text("read_at IS NULL"),
        ),
    )
    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    kind: str = Field(max_length=32)
    key: str = Field(max_length=64)
    params: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    raised_at: datetime
    read_at: datetime | None = None
    mailed_at: datetime | None = None  # went out in a letter since it was raised


class MailAddress(Owned, table=True):
    """Where a person wants letters: none before `confirmed_at`, none after `ended_at`. `hour`: from which full hour of
    the district's day on. `trouble`: why the last letter did not arrive, as a code."""

    __tablename__ = "mail_address"
    __table_args__ = (UniqueConstraint("person_id"), UniqueConstraint("tenant_id", "id"))
    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    address: str = Field(max_length=254)
    hour: int
    code_at: datetime  # when the code was asked for: it is reckoned from this
    code_tries: int = Field(default=0)
    confirmed_at: datetime | None = None
    ended_at: datetime | None = None
    trouble: str = Field(default="", max_length=64)


class Letter(Model, table=True):
    """The letter of one day to one address. Its Message-ID stays the same however often it is tried, so that a mail
    server can tell a second copy. `messages`: ids of what stands in it."""

    __tablename__ = "letter"
    __table_args__ = (UniqueConstraint("address_id", "day"),)
    id: int | None = Field(default=None, primary_key=True)
    address_id: int = Field(foreign_key="mail_address.id", ondelete="CASCADE")
    day: date
    message_id: str = Field(max_length=200)
    messages: list[int] = Field(sa_column=Column(JSON, nullable=False))
    begun_at: datetime
    sent_at: datetime | None = None
