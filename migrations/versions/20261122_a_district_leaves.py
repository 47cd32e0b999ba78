"""A district leaves: archives of everything, a day from which nothing changes, an address where it goes on.

Revision ID: 0039
Revises: 0038
"""

import sqlalchemy as sa
from alembic import op


revision = '0039'
down_revision = '0038'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('tenant', sa.Column('forward_url', sa.String(length=500), nullable=False, server_default=''))
    op.add_column('tenant', sa.Column('frozen_on', sa.Date(), nullable=True))
    op.create_table(
        'tenant_archive',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column(
            'state',
            sa.Enum(
                'waiting', 'packing', 'ready', 'cancelled', 'failed', 'gone',
                name='archivestate', native_enum=False, length=32, create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column('rows', sa.Integer(), nullable=False),
        sa.Column('files', sa.Integer(), nullable=False),
        sa.Column('all_files', sa.Integer(), nullable=False),
        sa.Column('bytes', sa.BigInteger(), nullable=False),
        sa.Column('all_bytes', sa.BigInteger(), nullable=False),
        sa.Column('size_bytes', sa.BigInteger(), nullable=False),
        sa.Column('missing', sa.Integer(), nullable=False),
        sa.Column('manifest_hash', sa.String(length=64), nullable=False),
        sa.Column('problem', sa.String(length=64), nullable=False),
        sa.Column('asked_by_id', sa.Integer(), nullable=False),
        sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('fetched_by_id', sa.Integer(), nullable=True),
        sa.Column('fetched_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_tenant_archive_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['asked_by_id'], ['person.id'], name=op.f('fk_tenant_archive_asked_by_id_person')),
        sa.ForeignKeyConstraint(['fetched_by_id'], ['person.id'], name=op.f('fk_tenant_archive_fetched_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_tenant_archive')),
        sa.UniqueConstraint('uuid', name=op.f('uq_tenant_archive_uuid')),
    )
    op.create_index(op.f('ix_tenant_archive_tenant_id'), 'tenant_archive', ['tenant_id'])


def downgrade() -> None:
    op.drop_table('tenant_archive')
    op.drop_column('tenant', 'frozen_on')
    op.drop_column('tenant', 'forward_url')
