"""清除: the receipt of somebody's personal data that were taken out.

Revision ID: 0047
Revises: 0046
"""

import sqlalchemy as sa
from alembic import op


revision = '0047'
down_revision = '0046'
branch_labels = None
depends_on = None

TRIGGERS = {
    'sqlite': [
        f"CREATE TRIGGER erasure_no_{act.lower()} BEFORE {act} ON erasure "
        "BEGIN SELECT RAISE(ABORT, 'erasure is append-only'); END"
        for act in ('UPDATE', 'DELETE')
    ],
    'postgresql': [
        "CREATE OR REPLACE FUNCTION erasure_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'erasure is append-only'; END $$",
        "CREATE TRIGGER erasure_no_change BEFORE UPDATE OR DELETE ON erasure "
        "FOR EACH ROW EXECUTE FUNCTION erasure_append_only()",
        "CREATE TRIGGER erasure_no_truncate BEFORE TRUNCATE ON erasure "
        "FOR EACH STATEMENT EXECUTE FUNCTION erasure_append_only()",
    ],
}


def upgrade() -> None:
    op.create_table(
        'erasure',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('reason', sa.String(length=300), nullable=False),
        sa.Column('removed', sa.JSON(), nullable=False),
        sa.Column('erased_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_erasure_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_erasure_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_erasure')),
        sa.UniqueConstraint('person_id', name=op.f('uq_erasure_person_id')),
    )
    op.create_index(op.f('ix_erasure_tenant_id'), 'erasure', ['tenant_id'])
    for statement in TRIGGERS[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table('erasure')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute("DROP FUNCTION erasure_append_only()")
