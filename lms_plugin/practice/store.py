"""What the practice LMS remembers, in a SQLite file of its own, so that a second start keeps the gradebook.

Every call opens its own connection: threads and worker processes share nothing but the file.
"""

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS used (
    kind TEXT NOT NULL, value TEXT NOT NULL, expires INTEGER NOT NULL, PRIMARY KEY (kind, value)
);
CREATE TABLE IF NOT EXISTS line_item (
    id INTEGER PRIMARY KEY AUTOINCREMENT, course TEXT NOT NULL, label TEXT NOT NULL, score_maximum REAL NOT NULL,
    resource_id TEXT NOT NULL DEFAULT '', tag TEXT NOT NULL DEFAULT '', resource_link_id TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS grade (
    line_item INTEGER NOT NULL REFERENCES line_item (id) ON DELETE CASCADE, sub TEXT NOT NULL, stamp INTEGER NOT NULL,
    score REAL, comment TEXT NOT NULL DEFAULT '', PRIMARY KEY (line_item, sub)
);
CREATE TABLE IF NOT EXISTS arrival (
    id INTEGER PRIMARY KEY AUTOINCREMENT, course TEXT NOT NULL, line_item INTEGER NOT NULL, received INTEGER NOT NULL,
    status INTEGER NOT NULL, reason TEXT NOT NULL, body TEXT NOT NULL
);
"""


@dataclass(frozen=True)
class LineItem:
    """A gradebook column. `score_maximum` is in the column's own unit (points, hours)."""

    id: int
    course: str
    label: str
    score_maximum: float
    resource_id: str
    tag: str
    resource_link_id: str


@dataclass(frozen=True)
class Grade:
    """A cell: `score` is already scaled to the column; None is a cleared grade. `stamp` is in whole epoch seconds."""

    line_item: int
    sub: str
    stamp: int
    score: float | None
    comment: str


class Store:
    """The file and all that is asked of it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)  # the platform's private key lies in it
        self._path = path
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)

    @contextmanager
    def _open(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=20, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys = ON")
            if not write:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def setting(self, name: str, make: Callable[[], str]) -> str:
        """The value kept under `name`; made once when there is none, also when two processes start together."""
        with self._open() as connection:
            row = connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        if row is None:
            value = make()
            with self._open(write=True) as connection:
                connection.execute("INSERT OR IGNORE INTO setting VALUES (?, ?)", (name, value))
                row = connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return str(row["value"])

    def secret(self, name: str) -> str:
        """A random secret of 256 bits that stays the same over restarts."""
        return self.setting(name, lambda: secrets.token_urlsafe(32))

    def set_setting(self, name: str, value: str) -> None:
        """Keep `value` under `name`."""
        with self._open(write=True) as connection:
            connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def once(self, kind: str, value: str, expires: int) -> bool:
        """True the first time `value` is seen; False again until `expires` (epoch seconds) has passed."""
        with self._open(write=True) as connection:
            connection.execute("DELETE FROM used WHERE expires < ?", (int(time.time()),))
            done = connection.execute("INSERT OR IGNORE INTO used VALUES (?, ?, ?)", (kind, value, expires))
            return done.rowcount == 1

    def line_items(self, course: str) -> list[LineItem]:
        """All columns of a course, oldest first."""
        with self._open() as connection:
            rows = connection.execute("SELECT * FROM line_item WHERE course = ? ORDER BY id", (course,)).fetchall()
        return [LineItem(**row) for row in rows]

    def line_item(self, course: str, item_id: int) -> LineItem | None:
        """One column of a course, or None (also for another course's column)."""
        with self._open() as connection:
            row = connection.execute(
                "SELECT * FROM line_item WHERE course = ? AND id = ?", (course, item_id)
            ).fetchone()
        return LineItem(**row) if row else None

    def ensure_coupled(self, course: str, link: str, label: str) -> None:
        """The column that belongs to an activity itself, maximum 100, made once (Moodle: "accept grades")."""
        with self._open(write=True) as connection:
            made = connection.execute("INSERT OR IGNORE INTO setting VALUES (?, '1')", (f"coupled:{course}:{link}",))
            if made.rowcount:
                connection.execute(
                    "INSERT INTO line_item (course, label, score_maximum, resource_link_id) VALUES (?, ?, 100, ?)",
                    (course, label, link),
                )

    def add_line_item(self, course: str, fields: dict[str, Any]) -> LineItem:
        """A new column. `fields` are the columns of the table, already checked."""
        values = {"course": course, **fields}
        with self._open(write=True) as connection:
            done = connection.execute(
                "INSERT INTO line_item (course, label, score_maximum, resource_id, tag, resource_link_id)"
                " VALUES (:course, :label, :score_maximum, :resource_id, :tag, :resource_link_id)",
                values,
            )
            row = connection.execute("SELECT * FROM line_item WHERE id = ?", (done.lastrowid,)).fetchone()
        return LineItem(**row)

    def change_line_item(self, item: LineItem, fields: dict[str, Any]) -> LineItem:
        """Replace a column's fields; a new maximum rescales the grades and keeps their percentage, as in Moodle."""
        with self._open(write=True) as connection:
            connection.execute(
                "UPDATE line_item SET label = :label, score_maximum = :score_maximum, resource_id = :resource_id,"
                " tag = :tag, resource_link_id = :resource_link_id WHERE id = :id",
                {**fields, "id": item.id},
            )
            connection.execute(
                "UPDATE grade SET score = round(score * ? / ?, 5) WHERE line_item = ?",
                (fields["score_maximum"], item.score_maximum, item.id),
            )
            row = connection.execute("SELECT * FROM line_item WHERE id = ?", (item.id,)).fetchone()
        return LineItem(**row)

    def delete_line_item(self, item: LineItem) -> None:
        """Remove a column with all its grades."""
        with self._open(write=True) as connection:
            connection.execute("DELETE FROM line_item WHERE id = ?", (item.id,))

    def put_grade(self, grade: Grade, *, sent_at: int) -> bool:
        """Store a cell unless what is there is as new as `sent_at` (epoch seconds) or newer; False then."""
        with self._open(write=True) as connection:
            done = connection.execute(
                "INSERT INTO grade VALUES (:line_item, :sub, :stamp, :score, :comment)"
                " ON CONFLICT (line_item, sub) DO UPDATE SET stamp = :stamp, score = :score, comment = :comment"
                " WHERE grade.stamp < :sent_at",
                {**vars(grade), "sent_at": sent_at},
            )
            return done.rowcount == 1

    def grades(self, course: str) -> list[Grade]:
        """All cells of a course's gradebook, cleared ones too."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT grade.* FROM grade JOIN line_item ON line_item.id = grade.line_item"
                " WHERE line_item.course = ? ORDER BY grade.line_item, CAST(grade.sub AS INTEGER), grade.sub",
                (course,),
            ).fetchall()
        return [Grade(**row) for row in rows]

    def log_arrival(self, course: str, line_item: int, *, status: int, reason: str, body: str) -> None:
        """Note a score that a tool with a valid token sent, taken or refused."""
        with self._open(write=True) as connection:
            connection.execute(
                "INSERT INTO arrival (course, line_item, received, status, reason, body) VALUES (?, ?, ?, ?, ?, ?)",
                (course, line_item, int(time.time()), status, reason, body),
            )

    def arrivals(self, course: str) -> list[dict[str, Any]]:
        """All noted arrivals of a course, oldest first."""
        with self._open() as connection:
            rows = connection.execute("SELECT * FROM arrival WHERE course = ? ORDER BY id", (course,)).fetchall()
        return [dict(row) for row in rows]
