"""The launch log says what a refused token held and in which course; the worker says that it lives.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op


revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('lti_launch_log', schema=None) as batch_op:
        batch_op.add_column(sa.Column('claims', sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column('context_id', sa.String(length=255), nullable=True))
    op.execute("UPDATE lti_launch_log SET claims = '{}', context_id = ''")
    with op.batch_alter_table('lti_launch_log', schema=None) as batch_op:
        batch_op.alter_column('claims', existing_type=sa.JSON(), nullable=False)
        batch_op.alter_column('context_id', existing_type=sa.String(length=255), nullable=False)
    op.create_table(
        'worker_beat',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_worker_beat')),
    )


def downgrade() -> None:
    op.drop_table('worker_beat')
    with op.batch_alter_table('lti_launch_log', schema=None) as batch_op:
        batch_op.drop_column('context_id')
        batch_op.drop_column('claims')
