"""A signing key is shown before it signs: when it begins to.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('lti_tool_key', schema=None) as batch_op:
        batch_op.add_column(sa.Column('active_from_at', sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE lti_tool_key SET active_from_at = created_at")
    with op.batch_alter_table('lti_tool_key', schema=None) as batch_op:
        batch_op.alter_column('active_from_at', existing_type=sa.DateTime(timezone=True), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table('lti_tool_key', schema=None) as batch_op:
        batch_op.drop_column('active_from_at')
