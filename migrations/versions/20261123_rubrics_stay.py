"""What was published of a rubric stays as it is: the database refuses to change or delete it.

Revision ID: 0051
Revises: 0050
"""

from alembic import op


revision = '0051'
down_revision = '0050'
branch_labels = None
depends_on = None

TABLES = ('rubric_version', 'criterion', 'criterion_level')


def refusing(name: str) -> dict[str, list[str]]:
    """By dialect, the triggers that refuse UPDATE and DELETE (and TRUNCATE); as `lms_plugin.append_only`."""
    return {
        "sqlite": [
            f"CREATE TRIGGER {name}_no_{act.lower()} BEFORE {act} ON {name} "
            f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
            for act in ("UPDATE", "DELETE")
        ],
        "postgresql": [
            f"CREATE OR REPLACE FUNCTION {name}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{name} is append-only'; END $$",
            f"CREATE TRIGGER {name}_no_change BEFORE UPDATE OR DELETE ON {name} "
            f"FOR EACH ROW EXECUTE FUNCTION {name}_append_only()",
            f"CREATE TRIGGER {name}_no_truncate BEFORE TRUNCATE ON {name} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_append_only()",
        ],
    }


def upgrade() -> None:
    for name in TABLES:
        for statement in refusing(name)[op.get_bind().dialect.name]:
            op.execute(statement)


def downgrade() -> None:
    for name in TABLES:
        if op.get_bind().dialect.name == 'postgresql':
            op.execute(f"DROP TRIGGER {name}_no_change ON {name}")
            op.execute(f"DROP TRIGGER {name}_no_truncate ON {name}")
            op.execute(f"DROP FUNCTION {name}_append_only()")
        else:
            for act in ("update", "delete"):
                op.execute(f"DROP TRIGGER {name}_no_{act}")
