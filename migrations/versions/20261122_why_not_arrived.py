"""Why a score has not arrived, as a code beside the host's own words.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op


revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('lti_score_delivery', schema=None) as batch_op:
        batch_op.add_column(sa.Column('trouble', sa.String(length=64), server_default='', nullable=False))
    with op.batch_alter_table('lti_score_delivery', schema=None) as batch_op:
        batch_op.alter_column('trouble', existing_type=sa.String(length=64), server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('lti_score_delivery', schema=None) as batch_op:
        batch_op.drop_column('trouble')
