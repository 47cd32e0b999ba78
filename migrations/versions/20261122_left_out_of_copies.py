"""How many objects inside a document its anonymous copy leaves out.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op


revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('stored_file', schema=None) as batch_op:
        batch_op.add_column(sa.Column('left_out', sa.Integer(), nullable=False, server_default='0'))
    with op.batch_alter_table('stored_file', schema=None) as batch_op:
        batch_op.alter_column('left_out', existing_type=sa.Integer(), existing_nullable=False, server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('stored_file', schema=None) as batch_op:
        batch_op.drop_column('left_out')
