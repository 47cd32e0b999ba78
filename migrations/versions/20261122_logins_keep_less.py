"""A login keeps what its launch is held against: not the hint of a deployment nor the address, which nobody asked for.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op


revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('lti_login_state', schema=None) as batch_op:
        batch_op.drop_column('target_link_uri')
        batch_op.drop_column('deployment_hint')


def downgrade() -> None:
    with op.batch_alter_table('lti_login_state', schema=None) as batch_op:
        batch_op.add_column(sa.Column('deployment_hint', sa.String(length=255), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('target_link_uri', sa.String(length=2000), nullable=False, server_default=''))
