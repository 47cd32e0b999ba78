"""What an allotment of reviews was planned from, so that it can be drawn again.

Revision ID: 0062
Revises: 0061
"""

import sqlalchemy as sa
from alembic import op


revision = '0062'
down_revision = '0061'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'allocation_plan',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('allocation_id', sa.Integer(), nullable=False),
        sa.Column('code_version', sa.Integer(), nullable=False),
        sa.Column('inputs_hash', sa.String(length=64), nullable=False),
        sa.Column('plan_hash', sa.String(length=64), nullable=False),
        sa.Column('inputs', sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ['allocation_id'], ['allocation.id'], name=op.f('fk_allocation_plan_allocation_id_allocation')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_allocation_plan')),
        sa.UniqueConstraint('allocation_id', name=op.f('uq_allocation_plan_allocation_id')),
    )


def downgrade() -> None:
    op.drop_table('allocation_plan')
