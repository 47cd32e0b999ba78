"""A login may leave its proof in the storage of the host (LTI platform storage): in which frame, and its hash.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op


revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('lti_login_state', schema=None) as batch_op:
        batch_op.add_column(sa.Column('storage_target', sa.String(length=255), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('storage_hash', sa.String(length=64), nullable=False, server_default=''))


def downgrade() -> None:
    with op.batch_alter_table('lti_login_state', schema=None) as batch_op:
        batch_op.drop_column('storage_hash')
        batch_op.drop_column('storage_target')
