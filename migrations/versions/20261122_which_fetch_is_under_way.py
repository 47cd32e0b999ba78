"""A platform's key set says whether somebody is fetching it.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op


revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('lti_key_set', schema=None) as batch_op:
        batch_op.add_column(sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE lti_key_set SET answered_at = tried_at")


def downgrade() -> None:
    with op.batch_alter_table('lti_key_set', schema=None) as batch_op:
        batch_op.drop_column('answered_at')
