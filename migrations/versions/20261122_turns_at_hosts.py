"""Whose turn it is at a host, and what it said when it gave no token.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'lti_host_turn',
        sa.Column('place', sa.String(length=300), nullable=False),
        sa.Column('free_epoch_seconds', sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint('place', name=op.f('pk_lti_host_turn')),
    )
    with op.batch_alter_table('lti_access_token', schema=None) as batch_op:
        batch_op.add_column(sa.Column('refusal', sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('lti_access_token', schema=None) as batch_op:
        batch_op.drop_column('refusal')
    op.drop_table('lti_host_turn')
