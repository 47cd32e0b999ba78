"""学时证明包: the certificates of a unit in one ZIP.

Revision ID: 0033
Revises: 0032
"""

import sqlalchemy as sa
from alembic import op


revision = '0033'
down_revision = '0032'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'certificate_bundle',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('org_unit_id', sa.Integer(), nullable=False),
        sa.Column(
            'state',
            sa.Enum(
                'waiting', 'making', 'ready', 'failed', 'cancelled', 'gone',
                name='bundlestate', native_enum=False, length=32, create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column('total', sa.Integer(), nullable=False),
        sa.Column('done', sa.Integer(), nullable=False),
        sa.Column('left_out', sa.Integer(), nullable=False),
        sa.Column('last_id', sa.Integer(), nullable=False),
        sa.Column('storage_key', sa.String(length=32), nullable=False),
        sa.Column('size_bytes', sa.BigInteger(), nullable=False),
        sa.Column('sha256', sa.String(length=64), nullable=False),
        sa.Column('problem', sa.String(length=64), nullable=False),
        sa.Column('asked_by_id', sa.Integer(), nullable=False),
        sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_certificate_bundle_tenant_id_tenant')),
        sa.ForeignKeyConstraint(
            ['programme_id'], ['programme.id'], name=op.f('fk_certificate_bundle_programme_id_programme')
        ),
        sa.ForeignKeyConstraint(
            ['org_unit_id'], ['org_unit.id'], name=op.f('fk_certificate_bundle_org_unit_id_org_unit')
        ),
        sa.ForeignKeyConstraint(['asked_by_id'], ['person.id'], name=op.f('fk_certificate_bundle_asked_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_certificate_bundle')),
        sa.UniqueConstraint('uuid', name=op.f('uq_certificate_bundle_uuid')),
    )
    op.create_index(op.f('ix_certificate_bundle_tenant_id'), 'certificate_bundle', ['tenant_id'])
    op.create_index('ix_certificate_bundle_of', 'certificate_bundle', ['programme_id', 'org_unit_id'])


def downgrade() -> None:
    op.drop_table('certificate_bundle')
