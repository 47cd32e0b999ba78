"""导出表样: which columns the sheets of a district or of one programme have.

Revision ID: 0072
Revises: 0071
"""

import sqlalchemy as sa
from alembic import op


revision = '0072'
down_revision = '0071'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'export_layout',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=True),
        sa.Column('listing', sa.String(length=32), nullable=False),
        sa.Column('content', sa.JSON(none_as_null=True), nullable=True),
        sa.Column('set_by_id', sa.Integer(), nullable=False),
        sa.Column('set_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_export_layout_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_export_layout_programme_id_programme')),
        sa.ForeignKeyConstraint(['set_by_id'], ['person.id'], name=op.f('fk_export_layout_set_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_export_layout')),
        sa.UniqueConstraint('uuid', name=op.f('uq_export_layout_uuid')),
    )
    op.create_index(op.f('ix_export_layout_tenant_id'), 'export_layout', ['tenant_id'])
    op.create_index('ix_export_layout_of', 'export_layout', ['tenant_id', 'listing', 'programme_id'])


def downgrade() -> None:
    op.drop_table('export_layout')
