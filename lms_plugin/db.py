"""The floor: the base of every table, the engine, and the one place where an id becomes a row."""

import enum
import json
import re
import uuid as uuid_module
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from select import POLLIN, poll
from time import monotonic, sleep
from typing import Any, TypeVar, cast

from psycopg import DataError
from psycopg import Error as DriverError
from psycopg.abc import Loader
from psycopg.types.datetime import DateLoader, TimestamptzLoader
from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Dialect,
    Engine,
    Enum,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    bindparam,
    create_engine,
    event,
    inspect,
    literal,
)
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import declared_attr, registry, sessionmaker
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import Field, Session, SQLModel, col, select
from sqlmodel.sql.expression import SelectOfScalar

from lms_plugin.errors import NotFound

NAMING = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
}


TRUSTED_SECONDS = 20.0  # so long a pooled connection is used without asking its server
MOST_LISTED = 10_000  # so many ids are written into a statement one by one (`among`)
WAY_SECONDS = 0.15  # whoever waits for SQLite's one writer looks again after 100 ms at most


class Model(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    """Base of all tables. Ids stay inside; `uuid` (on roots) is what URLs carry."""

    model_config = {"defer_build": True}  # tables check nothing by it: what pydantic would make for each is 9 MB unused


def new_uuid() -> str:
    """A random public name of a row, 32 hexadecimal digits."""
    return uuid_module.uuid4().hex


class Owned(Model):
    """Mixin of aggregate roots: a row that belongs to one tenant (a district) and has a public uuid."""

    uuid: str = Field(default_factory=new_uuid, unique=True, max_length=32)
    tenant_id: int = Field(foreign_key="tenant.id", index=True)


class Versioned(Model):
    """Mixin of rows that two people may edit at once: a stale save raises `StaleDataError` (a 409 page)."""

    version: int = Field(default=1)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.__table__.c.version}  # type: ignore[attr-defined]


E_ = TypeVar("E_", bound=enum.Enum)


def choice(kind: type[E_]) -> Any:
    """A column type for an enum: stored by value with a CHECK, the same on SQLite and PostgreSQL."""
    return Enum(
        kind,
        native_enum=False,
        length=32,
        values_callable=lambda e: [m.value for m in e],
        create_constraint=True,
        name=kind.__name__.lower(),
    )


def engine(url: str) -> Engine:
    """An engine with the settings that keep writes safe.

    SQLite: WAL, foreign keys on, deferred BEGIN (a session's first write upgrades it, waiting up to 10 s), and
    IMMEDIATE for sessions that say so through `writer`. PostgreSQL: pool whose connections are looked at before they
    are used, lock time-out 10 s.
    """
    if not url.startswith("sqlite"):
        pooled = create_engine(
            url,
            hide_parameters=True,  # a traceback in the log must not name people
            pool_size=10,
            pool_use_lifo=True,  # the server process that was used last has everything at hand
            max_overflow=10,
            connect_args={"options": "-c lock_timeout=10000 -c timezone=UTC"},
        )
        event.listen(pooled, "checkout", partial(_still_there, pooled))
        return pooled
    memory = ":memory:" in url or url == "sqlite://"
    options: dict[str, Any] = {"poolclass": StaticPool} if memory else {}
    made = create_engine(url, hide_parameters=True, connect_args={"timeout": 15, "check_same_thread": False}, **options)

    @event.listens_for(made, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves; the driver's habits lose updates
        cursor = connection.cursor()
        if not memory:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA recursive_triggers=ON")  # else INSERT OR REPLACE deletes past the triggers of the ledger
        cursor.execute("PRAGMA busy_timeout=15000")
        cursor.close()

    @event.listens_for(made, "begin")
    def begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return made


def _still_there(bind: Engine, connection: Any, record: Any, _proxy: Any) -> None:
    """Raises InvalidatePoolError for a pooled connection whose server is gone: the pool then makes a new one.

    Asking the server before every use would cost as much as a query. A server that ended says so on the socket, so it
    is asked when something lies there unread, and when the connection has been idle (a line may break in silence).
    """
    idle_since, record.info["used"] = record.info.get("used"), monotonic()
    if idle_since is None:
        return  # made this moment
    waiting = poll()
    waiting.register(connection.pgconn.socket, POLLIN)
    if record.info["used"] - idle_since < TRUSTED_SECONDS and not waiting.poll(0):
        return
    try:
        bind.dialect.do_ping(connection)
    except bind.dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error


def session_factory(bind: Engine) -> "sessionmaker[Session]":
    """Makes sessions; rows stay readable after commit."""
    return sessionmaker(bind, class_=Session, expire_on_commit=False)


def writes(session: Session) -> Session:
    """Says that this session's transaction will write: SQLite then takes its write lock at BEGIN, not half-way.

    To be called before the session's first statement; PostgreSQL needs nothing.
    """
    if session.get_bind().dialect.name == "sqlite" and not session.in_transaction():
        session.connection(execution_options={"writes": True})
    return session


@contextmanager
def transaction(factory: "sessionmaker[Session]") -> Iterator[Session]:
    """One writing transaction for workers and commands: commits at the end, rolls back on any error."""
    with factory() as session:
        writes(session)
        yield session
        session.commit()


@contextmanager
def as_of_one_moment(factory: "sessionmaker[Session]") -> Iterator[Session]:
    """A reading transaction that sees the database as it was when it began, and holds nobody up."""
    with factory() as session:
        if session.get_bind().dialect.name == "postgresql":  # a transaction of SQLite's is always like this
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session
        session.rollback()


def give_way(factory: "sessionmaker[Session]") -> None:
    """Between two transactions of a long job: lets others write. On SQLite they look now and then whether it is free,
    and one that begins anew at once would keep them out to the end; PostgreSQL lets people in by turns."""
    if factory.kw["bind"].dialect.name == "sqlite":
        sleep(WAY_SECONDS)


@contextmanager
def as_it_stands(session: Session) -> Iterator[None]:
    """In this block what the driver cannot read comes as text instead of an error: bytes that are no UTF-8 (SQLite),
    days beyond the calendar such as `infinity` (PostgreSQL). For who looks for what was done past the product."""
    connection: Any = session.connection().connection.driver_connection
    if session.get_bind().dialect.name == "sqlite":
        before, connection.text_factory = connection.text_factory, _lenient_text
        try:
            yield
        finally:
            connection.text_factory = before
        return
    for name, (_usual, kinder) in _DAYS.items():
        connection.adapters.register_loader(name, kinder)
    try:
        yield
    finally:
        for name, (usual, _kinder) in _DAYS.items():
            connection.adapters.register_loader(name, usual)


def _lenient_text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


class _Day(DateLoader):
    def load(self, data: Any) -> Any:
        try:
            return super().load(data)
        except DataError:
            return _lenient_text(bytes(data))


class _Moment(TimestamptzLoader):
    def load(self, data: Any) -> Any:
        try:
            return super().load(data)
        except DataError:
            return _lenient_text(bytes(data))


_DAYS: dict[str, tuple[type[Loader], type[Loader]]] = {
    "date": (DateLoader, _Day),
    "timestamptz": (TimestamptzLoader, _Moment),
}


M = TypeVar("M", bound=Owned)
_UUID = re.compile(r"[0-9a-f]{32}")


def owned(kind: type[M], tenant_id: int) -> SelectOfScalar[M]:
    """A select of this tenant's rows: where every list of roots begins."""
    return select(kind).where(col(kind.tenant_id) == tenant_id)


def find(session: Session, kind: type[M], tenant_id: int, uuid: str) -> M:
    """The tenant's row of that uuid. Raises NotFound for another tenant's row as for none, and for what is no uuid
    (a NUL in an address must not reach PostgreSQL, which breaks on it)."""
    if not _UUID.fullmatch(uuid):
        raise NotFound
    row = session.exec(_by_uuid(kind), params={"tenant": tenant_id, "uuid": uuid}).one_or_none()
    if row is None:
        raise NotFound
    return cast("M", row)


@cache  # one statement a table, put together once
def _by_uuid(kind: type[Owned]) -> SelectOfScalar[Owned]:
    return select(kind).where(col(kind.tenant_id) == bindparam("tenant"), col(kind.uuid) == bindparam("uuid"))


R = TypeVar("R", bound=Model)


def get(session: Session, kind: type[R], key: int) -> R:
    """The row of an internal id that came from another row (never from a request). Raises NotFound."""
    row = session.get(kind, key)
    if row is None:
        raise NotFound
    return row


def hold(session: Session, row: Model) -> None:
    """Keeps a row for this transaction and reads it anew: who changes it in the same moment waits, then sees what was
    saved. Raises NotFound where somebody has deleted it meanwhile."""
    found = session.exec(
        select(type(row))
        .where(table(type(row)).c.id == pk(row))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound


def table(kind: type[Model]) -> Table:
    """The table of a class: for statements that are run so often that the way over objects costs too much."""
    return cast("Table", inspect(kind).local_table)


def pk(row: Any) -> int:
    """The internal id of a row that has been flushed."""
    key = row.id
    if not isinstance(key, int):
        raise TypeError(f"{type(row).__name__} has no id yet: flush first")
    return key


def by_id(session: Session, kind: type[R], keys: Sequence[int]) -> dict[int, R]:
    """Rows by id in one query, for pages that list."""
    if not keys:
        return {}
    identifier = kind.id  # type: ignore[attr-defined]
    return {pk(row): row for row in session.exec(select(kind).where(col(identifier).in_(set(keys))))}


def among(column: Any, ids: Collection[int]) -> ColumnElement[bool]:
    """The condition that a column holds one of these ids, however many they are. A long list goes as one value: a
    statement of PostgreSQL has at most 65,535 of them."""
    if len(ids) <= MOST_LISTED:
        found: ColumnElement[bool] = col(column).in_(ids)
        return found
    return _Among(column, literal(sorted(ids), _Ids()))


class _Ids(TypeDecorator[Any]):
    """Ids as one value: an array, or JSON where there is none."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(ARRAY(Integer()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return value if dialect.name == "postgresql" else json.dumps(value)


class _Among(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True


@compiles(_Among)
def _among(element: _Among, compiler: Any, **more: Any) -> str:
    column, ids = (compiler.process(one, **more) for one in element.clauses)
    if compiler.dialect.name == "postgresql":
        return f"({column} = ANY ({ids}))"
    rows = "SELECT value FROM json_each"
    return f"({column} IN ({rows}({ids})))"


def insert_many(session: Session, kind: type[Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """New rows in bulk, past the unit of work: COPY on PostgreSQL, one prepared statement on SQLite. All rows say the
    same columns; the others hold what the model says. Ids come from the database and are not known afterwards.

    Raises what SQLAlchemy raises (IntegrityError, …), whichever way they went."""
    session.flush()  # what they point to
    if not rows:
        return
    target, connection = table(kind), session.connection()
    unsaid = {name: about for name, about in kind.model_fields.items() if name != "id" and name not in rows[0]}
    made = {name: about.default_factory for name, about in unsaid.items() if about.default_factory is not None}
    fixed = {name: about.get_default() for name, about in unsaid.items() if name not in made}
    if connection.dialect.name != "postgresql":
        filled = [{**fixed, **{name: cast(Any, make)() for name, make in made.items()}, **row} for row in rows]
        connection.execute(target.insert(), filled)
        return
    dialect = connection.dialect

    def plain(name: str) -> Callable[[Any], Any] | None:
        return target.c[name].type.dialect_impl(dialect).bind_processor(dialect)

    def bound(name: str, value: Any) -> Any:
        to = plain(name)
        return to(value) if to else value

    always = [bound(name, value) for name, value in fixed.items()]
    makers = [cast(Callable[[], Any], make) for make in made.values()]
    said = [(name, plain(name)) for name in rows[0]]
    names = ", ".join(dialect.identifier_preparer.quote(name) for name in (*fixed, *made, *rows[0]))
    statement = f"COPY {dialect.identifier_preparer.format_table(target)} ({names}) FROM STDIN"
    try:
        with cast(Any, connection.connection).cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                own = [to(row[name]) if to else row[name] for name, to in said]
                copy.write_row([*always, *[make() for make in makers], *own])
    except DriverError as error:  # as every other statement says it: who came second meets the page that says so
        raise DBAPIError.instance(statement, None, error, DriverError, dialect=dialect) from error
