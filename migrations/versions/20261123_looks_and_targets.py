"""Whether launches that name nobody may look at a course; how a host can show a link that it asks for.

Revision ID: 0046
Revises: 0045
"""

import sqlalchemy as sa
from alembic import op


revision = '0046'
down_revision = '0045'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('lti_platform', schema=None) as batch_op:
        batch_op.add_column(sa.Column('lets_look', sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table('lti_platform', schema=None) as batch_op:
        batch_op.alter_column('lets_look', existing_type=sa.Boolean(), server_default=None)
    with op.batch_alter_table('link_request', schema=None) as batch_op:
        batch_op.add_column(sa.Column('targets', sa.JSON(), nullable=True))
    op.execute("UPDATE link_request SET targets = '[]'")
    with op.batch_alter_table('link_request', schema=None) as batch_op:
        batch_op.alter_column('targets', existing_type=sa.JSON(), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table('link_request', schema=None) as batch_op:
        batch_op.drop_column('targets')
    with op.batch_alter_table('lti_platform', schema=None) as batch_op:
        batch_op.drop_column('lets_look')
