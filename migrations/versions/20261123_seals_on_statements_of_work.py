"""Seals are put on statements of work, and a ZIP holds papers of one kind.

Revision ID: 0044
Revises: 0043
"""

import sqlalchemy as sa
from alembic import op


revision = '0044'
down_revision = '0043'
branch_labels = None
depends_on = None


def refusing(name: str) -> 'dict[str, list[str]]':
    """By dialect, the triggers that keep a table append-only."""
    return {
        'sqlite': [
            f"CREATE TRIGGER {name}_no_{act.lower()} BEFORE {act} ON {name} "
            f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
            for act in ('UPDATE', 'DELETE')
        ],
        'postgresql': [
            f"CREATE OR REPLACE FUNCTION {name}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{name} is append-only'; END $$",
            f"CREATE TRIGGER {name}_no_change BEFORE UPDATE OR DELETE ON {name} "
            f"FOR EACH ROW EXECUTE FUNCTION {name}_append_only()",
            f"CREATE TRIGGER {name}_no_truncate BEFORE TRUNCATE ON {name} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_append_only()",
        ],
    }


def upgrade() -> None:
    op.create_table(
        'work_seal_use',
        sa.Column('statement_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('unit_seal_id', sa.Integer(), nullable=False),
        sa.Column('used_by_id', sa.Integer(), nullable=False),
        sa.Column('used_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ['statement_id'], ['work_statement.id'], name=op.f('fk_work_seal_use_statement_id_work_statement')
        ),
        sa.ForeignKeyConstraint(
            ['unit_seal_id'], ['unit_seal.id'], name=op.f('fk_work_seal_use_unit_seal_id_unit_seal')
        ),
        sa.ForeignKeyConstraint(['used_by_id'], ['person.id'], name=op.f('fk_work_seal_use_used_by_id_person')),
        sa.PrimaryKeyConstraint('statement_id', name=op.f('pk_work_seal_use')),
    )
    op.create_index(op.f('ix_work_seal_use_unit_seal_id'), 'work_seal_use', ['unit_seal_id'])
    for statement in refusing('work_seal_use')[op.get_bind().dialect.name]:
        op.execute(statement)
    with op.batch_alter_table('certificate_bundle', schema=None) as batch_op:
        batch_op.add_column(sa.Column('kind', sa.String(length=16), nullable=False, server_default='certificates'))
    with op.batch_alter_table('certificate_bundle', schema=None) as batch_op:
        batch_op.alter_column('kind', existing_type=sa.String(length=16), server_default=None)


def downgrade() -> None:
    op.execute("DELETE FROM certificate_bundle WHERE kind <> 'certificates'")
    with op.batch_alter_table('certificate_bundle', schema=None) as batch_op:
        batch_op.drop_column('kind')
    op.drop_table('work_seal_use')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute("DROP FUNCTION work_seal_use_append_only()")
