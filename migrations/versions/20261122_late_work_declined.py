"""Late work that a trainer did not let in, and why.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op


revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('submission_version', schema=None) as batch_op:
        batch_op.add_column(sa.Column('declined_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('declined_reason', sa.String(length=4000), server_default='', nullable=False))
    with op.batch_alter_table('submission_version', schema=None) as batch_op:
        batch_op.alter_column('declined_reason', existing_type=sa.String(length=4000), server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('submission_version', schema=None) as batch_op:
        batch_op.drop_column('declined_reason')
        batch_op.drop_column('declined_at')
