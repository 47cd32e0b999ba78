"""Auditors draw entries of the ledger: the draw, and what they did with each entry. Both are append-only.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op


revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None

TABLES = ('ledger_draw', 'ledger_draw_event')


def upgrade() -> None:
    op.create_table(
        'ledger_draw',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('drawn_by_id', sa.Integer(), nullable=False),
        sa.Column('drawn_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=True),
        sa.Column('org_unit_id', sa.Integer(), nullable=True),
        sa.Column('unit_ids', sa.JSON(), nullable=True),
        sa.Column('since_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('until_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('seed', sa.String(length=64), nullable=False),
        sa.Column('wanted', sa.Integer(), nullable=False),
        sa.Column('population', sa.Integer(), nullable=False),
        sa.Column('entry_ids', sa.JSON(), nullable=False),
        sa.Column('seal_number', sa.Integer(), nullable=False),
        sa.Column('seal_hash', sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(['drawn_by_id'], ['person.id'], name=op.f('fk_ledger_draw_drawn_by_id_person')),
        sa.ForeignKeyConstraint(['org_unit_id'], ['org_unit.id'], name=op.f('fk_ledger_draw_org_unit_id_org_unit')),
        sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_ledger_draw_programme_id_programme')),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_ledger_draw_tenant_id_tenant')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_ledger_draw')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_ledger_draw_tenant_id_id')),
        sa.UniqueConstraint('uuid', name=op.f('uq_ledger_draw_uuid')),
    )
    op.create_index(op.f('ix_ledger_draw_tenant_id'), 'ledger_draw', ['tenant_id'])
    op.create_table(
        'ledger_draw_event',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('draw_id', sa.Integer(), nullable=False),
        sa.Column('position', sa.Integer(), nullable=False),
        sa.Column('kind', sa.String(length=16), nullable=False),
        sa.Column('remark', sa.String(length=1000), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['draw_id'], ['ledger_draw.id'], name=op.f('fk_ledger_draw_event_draw_id_ledger_draw')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_ledger_draw_event_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_ledger_draw_event')),
    )
    op.create_index(op.f('ix_ledger_draw_event_draw_id'), 'ledger_draw_event', ['draw_id'])
    for table in TABLES:
        for statement in _refusing(table):
            op.execute(statement)


def _refusing(table: str) -> list[str]:
    if op.get_bind().dialect.name == 'sqlite':
        return [
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            for act in ('UPDATE', 'DELETE')
        ]
    return [
        f"CREATE OR REPLACE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$",
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_append_only()",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()",
    ]


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
        if op.get_bind().dialect.name == 'postgresql':
            op.execute(f"DROP FUNCTION {table}_append_only()")
