"""转入: the files of what was handed in elsewhere come along.

Revision ID: 0049
Revises: 0048
"""

import sqlalchemy as sa
from alembic import op


revision = '0049'
down_revision = '0048'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'transfer_file',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('arrival_id', sa.Integer(), nullable=False),
        sa.Column('sha256', sa.String(length=64), nullable=False),
        sa.Column('stored_file_id', sa.Integer(), nullable=False),
        sa.Column('came_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_transfer_file_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['arrival_id'], ['arrival.id'], name=op.f('fk_transfer_file_arrival_id_arrival')),
        sa.ForeignKeyConstraint(
            ['stored_file_id'], ['stored_file.id'], name=op.f('fk_transfer_file_stored_file_id_stored_file')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_transfer_file')),
        sa.UniqueConstraint('uuid', name=op.f('uq_transfer_file_uuid')),
        sa.UniqueConstraint('arrival_id', 'sha256', name=op.f('uq_transfer_file_arrival_id_sha256')),
    )
    for column in ('tenant_id', 'stored_file_id'):
        op.create_index(op.f(f'ix_transfer_file_{column}'), 'transfer_file', [column])


def downgrade() -> None:
    op.drop_table('transfer_file')
