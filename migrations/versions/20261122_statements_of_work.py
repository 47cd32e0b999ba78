"""工作量证明: statements of what people did for others in a round, and their ends.

Revision ID: 0041
Revises: 0040
"""

import sqlalchemy as sa
from alembic import op


revision = '0041'
down_revision = '0040'
branch_labels = None
depends_on = None

TABLES = ('work_statement', 'work_statement_end')


def refusing(name: str) -> dict[str, list[str]]:
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
        'work_statement',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('code', sa.String(length=12), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('name', sa.String(length=100), nullable=False),
        sa.Column('staff_number', sa.String(length=64), nullable=False),
        sa.Column('school', sa.String(length=200), nullable=False),
        sa.Column('title', sa.String(length=200), nullable=False),
        sa.Column('issuer', sa.String(length=200), nullable=False),
        sa.Column('paper', sa.String(length=100), nullable=False),
        sa.Column('work', sa.JSON(), nullable=False),
        sa.Column('minutes', sa.JSON(), nullable=False),
        sa.Column('minutes_per_hour', sa.Integer(), nullable=False),
        sa.Column('first_on', sa.Date(), nullable=False),
        sa.Column('last_on', sa.Date(), nullable=False),
        sa.Column('issued_by_id', sa.Integer(), nullable=False),
        sa.Column('issued_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_work_statement_tenant_id_tenant')),
        sa.ForeignKeyConstraint(
            ['programme_id'], ['programme.id'], name=op.f('fk_work_statement_programme_id_programme')
        ),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_work_statement_person_id_person')),
        sa.ForeignKeyConstraint(['issued_by_id'], ['person.id'], name=op.f('fk_work_statement_issued_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_work_statement')),
        sa.UniqueConstraint('uuid', name=op.f('uq_work_statement_uuid')),
        sa.UniqueConstraint('code', name=op.f('uq_work_statement_code')),
        sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_work_statement_tenant_id_number')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_work_statement_tenant_id_id')),
    )
    op.create_index(op.f('ix_work_statement_tenant_id'), 'work_statement', ['tenant_id'])
    op.create_index(op.f('ix_work_statement_person_id'), 'work_statement', ['person_id'])
    op.create_index('ix_work_statement_person', 'work_statement', ['programme_id', 'person_id'])
    op.create_table(
        'work_statement_end',
        sa.Column('statement_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('followed_by_id', sa.Integer(), nullable=True),
        sa.Column('reason', sa.String(length=300), nullable=False),
        sa.Column('ended_by_id', sa.Integer(), nullable=False),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ['statement_id'], ['work_statement.id'], name=op.f('fk_work_statement_end_statement_id_work_statement')
        ),
        sa.ForeignKeyConstraint(
            ['followed_by_id'], ['work_statement.id'], name=op.f('fk_work_statement_end_followed_by_id_work_statement')
        ),
        sa.ForeignKeyConstraint(['ended_by_id'], ['person.id'], name=op.f('fk_work_statement_end_ended_by_id_person')),
        sa.PrimaryKeyConstraint('statement_id', name=op.f('pk_work_statement_end')),
    )
    for name in TABLES:
        for statement in refusing(name)[op.get_bind().dialect.name]:
            op.execute(statement)


def downgrade() -> None:
    for name in ('work_statement_end', 'work_statement'):
        op.drop_table(name)
        if op.get_bind().dialect.name == 'postgresql':
            op.execute(f"DROP FUNCTION {name}_append_only()")
