"""How unsure reviewers leave it whether a work passes, kept so that the queue can be ordered by it.

Revision ID: 0053
Revises: 0052
"""

import sqlalchemy as sa
from alembic import op


revision = '0053'
down_revision = '0052'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('review_summary', schema=None) as batch_op:
        batch_op.add_column(sa.Column('doubt_millionths', sa.Integer(), nullable=True))
    with op.batch_alter_table('programme', schema=None) as batch_op:
        batch_op.add_column(sa.Column('weighed_at', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('programme', schema=None) as batch_op:
        batch_op.drop_column('weighed_at')
    with op.batch_alter_table('review_summary', schema=None) as batch_op:
        batch_op.drop_column('doubt_millionths')
