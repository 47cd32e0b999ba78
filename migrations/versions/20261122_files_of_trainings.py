"""培训材料: files that show that a training was held.

Revision ID: 0035
Revises: 0034
"""

import sqlalchemy as sa
from alembic import op


revision = '0035'
down_revision = '0034'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'training_file',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('training_id', sa.Integer(), nullable=False),
        sa.Column(
            'kind',
            sa.Enum(
                'photo', 'sheet', 'plan', 'other',
                name='trainingfilekind', native_enum=False, length=32, create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column('stored_file_id', sa.Integer(), nullable=False),
        sa.Column('added_by_id', sa.Integer(), nullable=False),
        sa.Column('added_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('removed_by_id', sa.Integer(), nullable=True),
        sa.Column('removed_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_training_file_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['training_id'], ['training.id'], name=op.f('fk_training_file_training_id_training')),
        sa.ForeignKeyConstraint(
            ['stored_file_id'], ['stored_file.id'], name=op.f('fk_training_file_stored_file_id_stored_file')
        ),
        sa.ForeignKeyConstraint(['added_by_id'], ['person.id'], name=op.f('fk_training_file_added_by_id_person')),
        sa.ForeignKeyConstraint(['removed_by_id'], ['person.id'], name=op.f('fk_training_file_removed_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_training_file')),
        sa.UniqueConstraint('uuid', name=op.f('uq_training_file_uuid')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_training_file_tenant_id_id')),
    )
    for column in ('tenant_id', 'training_id', 'stored_file_id'):
        op.create_index(op.f(f'ix_training_file_{column}'), 'training_file', [column])


def downgrade() -> None:
    op.drop_table('training_file')
