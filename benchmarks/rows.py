"""Plain inserts shaped as the models say, and the published framework as the seeding of a benchmark needs it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, text
from sqlmodel import Session, SQLModel, select

import competencies
import rubrics


@dataclass
class Rows:
    """Rows to insert, table by table in the order of first use, with ids counted here so that rows can point."""

    tables: dict[type[SQLModel], list[dict[str, Any]]] = field(default_factory=dict)
    last: dict[type[SQLModel], int] = field(default_factory=lambda: defaultdict(int))

    def add(self, kind: type[SQLModel], /, **values: Any) -> int:
        """One more row; what is not said is what the model would say. Returns its id."""
        self.last[kind] += 1
        row = {"id": self.last[kind]}
        for name, about in kind.model_fields.items():
            if name != "id":
                row[name] = values[name] if name in values else about.get_default(call_default_factory=True)
        self.tables.setdefault(kind, []).append(row)
        return self.last[kind]

    def begin(self, session: Session, kinds: Iterable[type[SQLModel]]) -> None:
        """Counts on from what the database holds."""
        for kind in kinds:
            self.last[kind] = max([0, *session.exec(select(kind.id)).all()])  # type: ignore[attr-defined]

    def write(self, session: Session) -> None:
        """Inserts everything; PostgreSQL's counters are moved on so that the product can insert afterwards."""
        for kind, rows in self.tables.items():
            for start in range(0, len(rows), 2000):
                session.connection().execute(insert(kind), rows[start : start + 2000])
            if session.get_bind().dialect.name == "postgresql":
                name = str(kind.__tablename__)
                session.connection().execute(
                    text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))")
                )
        session.flush()


@dataclass(frozen=True)
class Standard:
    """The published framework as the seeding needs it."""

    points: list[competencies.CompetencyPoint]
    requirements: dict[int, list[competencies.EvidenceRequirement]]
    criteria: dict[int, tuple[rubrics.CriterionText, ...]]

    def lines(self, requirement: competencies.EvidenceRequirement) -> tuple[rubrics.CriterionText, ...]:
        """How a requirement is judged."""
        return self.criteria[requirement.rubric_version_id or 0]

    def sheets(self, point_id: int) -> list[competencies.ItemSheet]:
        """The point's items, all handed in."""
        return [
            competencies.ItemSheet(
                key=row.key,
                is_core=row.is_core,
                is_required=row.is_required,
                is_present=True,
                criteria=tuple(line.key for line in self.lines(row) if not line.is_validity),
                excellent_only=frozenset(line.key for line in self.lines(row) if line.is_excellent_only),
            )
            for row in self.requirements[point_id]
        ]

    def marks(self, point_id: int, level: int) -> dict[str, dict[str, int]]:
        """Every criterion of a point at one level (0: the first item fails, the others pass)."""
        found = {}
        for number, row in enumerate(self.requirements[point_id]):
            wanted = 1 if level == 0 and number else level
            found[row.key] = {
                line.key: max(min(wanted, max(line.choices)), min(line.choices)) for line in self.lines(row)
            }
        return found
