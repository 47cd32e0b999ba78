"""放假安排: the days off of a year, written once for all programmes of a district.

Revision ID: 0074
Revises: 0073
"""

import sqlalchemy as sa
from alembic import op


revision = '0074'
down_revision = '0073'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'holiday_year',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('year', sa.Integer(), nullable=False),
        sa.Column('days_off', sa.JSON(), nullable=False),
        sa.Column('workdays', sa.JSON(), nullable=False),
        sa.Column('set_by_id', sa.Integer(), nullable=False),
        sa.Column('set_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_holiday_year_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['set_by_id'], ['person.id'], name=op.f('fk_holiday_year_set_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_holiday_year')),
        sa.UniqueConstraint('uuid', name=op.f('uq_holiday_year_uuid')),
    )
    op.create_index(op.f('ix_holiday_year_tenant_id'), 'holiday_year', ['tenant_id'])
    op.create_index('ix_holiday_year_of', 'holiday_year', ['tenant_id', 'year'])


def downgrade() -> None:
    op.drop_table('holiday_year')
