"""A school takes a point out of a teacher's choice: who, when and why.

Revision ID: 0030
Revises: 0029
"""

import sqlalchemy as sa
from alembic import op


revision = '0030'
down_revision = '0029'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'choice_change',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('submission_id', sa.Integer(), nullable=False),
        sa.Column('changed_by_id', sa.Integer(), nullable=False),
        sa.Column('reason', sa.String(length=500), nullable=False),
        sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['changed_by_id'], ['person.id'], name=op.f('fk_choice_change_changed_by_id_person')),
        sa.ForeignKeyConstraint(
            ['submission_id'], ['submission.id'], name=op.f('fk_choice_change_submission_id_submission')
        ),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_choice_change_tenant_id_tenant')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_choice_change')),
        sa.UniqueConstraint('uuid', name=op.f('uq_choice_change_uuid')),
    )
    with op.batch_alter_table('choice_change', schema=None) as batch_op:
        for column in ('submission_id', 'tenant_id'):
            batch_op.create_index(batch_op.f(f'ix_choice_change_{column}'), [column], unique=False)


def downgrade() -> None:
    op.drop_table('choice_change')
