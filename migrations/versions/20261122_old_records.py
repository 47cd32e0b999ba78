"""以前的记录: what old platforms said, kept with its source.

Revision ID: 0026
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op


revision = '0026'
down_revision = '0025'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'old_record',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('org_unit_id', sa.Integer(), nullable=False),
        sa.Column('staff_number', sa.String(length=64), nullable=False),
        sa.Column('name', sa.String(length=100), nullable=False),
        sa.Column('school', sa.String(length=200), nullable=False),
        sa.Column('title', sa.String(length=300), nullable=False),
        sa.Column('points', sa.String(length=500), nullable=False),
        sa.Column('result', sa.String(length=100), nullable=False),
        sa.Column('hours_hundredths', sa.Integer(), nullable=True),
        sa.Column('earned_on', sa.Date(), nullable=True),
        sa.Column('source', sa.String(length=300), nullable=False),
        sa.Column('content_hash', sa.String(length=64), nullable=False),
        sa.Column('batch', sa.String(length=32), nullable=False),
        sa.Column('filename', sa.String(length=200), nullable=False),
        sa.Column('imported_by_id', sa.Integer(), nullable=False),
        sa.Column('imported_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('removed_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_old_record_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['org_unit_id'], ['org_unit.id'], name=op.f('fk_old_record_org_unit_id_org_unit')),
        sa.ForeignKeyConstraint(['imported_by_id'], ['person.id'], name=op.f('fk_old_record_imported_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_old_record')),
        sa.UniqueConstraint('uuid', name=op.f('uq_old_record_uuid')),
        sa.UniqueConstraint('tenant_id', 'content_hash', name=op.f('uq_old_record_tenant_id_content_hash')),
    )
    for column in ('tenant_id', 'org_unit_id', 'batch'):
        op.create_index(op.f(f'ix_old_record_{column}'), 'old_record', [column])
    op.create_index('ix_old_record_number', 'old_record', ['tenant_id', 'staff_number'])


def downgrade() -> None:
    op.drop_table('old_record')
