"""Extensions (延期): a school or one teacher may hand in later than the others.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op


revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'extension',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('org_unit_id', sa.Integer(), nullable=True),
        sa.Column('roster_entry_id', sa.Integer(), nullable=True),
        sa.Column('until_on', sa.Date(), nullable=False),
        sa.Column('reason', sa.String(length=300), nullable=False),
        sa.Column('granted_by_id', sa.Integer(), nullable=False),
        sa.Column('granted_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ended_by_id', sa.Integer(), nullable=True),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_extension_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_extension_programme_id_programme')),
        sa.ForeignKeyConstraint(['org_unit_id'], ['org_unit.id'], name=op.f('fk_extension_org_unit_id_org_unit')),
        sa.ForeignKeyConstraint(
            ['roster_entry_id'], ['roster_entry.id'], name=op.f('fk_extension_roster_entry_id_roster_entry')
        ),
        sa.ForeignKeyConstraint(['granted_by_id'], ['person.id'], name=op.f('fk_extension_granted_by_id_person')),
        sa.ForeignKeyConstraint(['ended_by_id'], ['person.id'], name=op.f('fk_extension_ended_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_extension')),
        sa.UniqueConstraint('uuid', name=op.f('uq_extension_uuid')),
    )
    op.create_index(op.f('ix_extension_programme_id'), 'extension', ['programme_id'])
    op.create_index(op.f('ix_extension_tenant_id'), 'extension', ['tenant_id'])
    with op.batch_alter_table('programme', schema=None) as batch_op:
        batch_op.add_column(sa.Column('extended_until_on', sa.Date(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('programme', schema=None) as batch_op:
        batch_op.drop_column('extended_until_on')
    op.drop_table('extension')
