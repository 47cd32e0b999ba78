"""A person may read standards in another language than the pages: one that the standard has.

Revision ID: 0073
Revises: 0072
"""

import sqlalchemy as sa
from alembic import op


revision = '0073'
down_revision = '0072'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('person', schema=None) as batch_op:
        batch_op.add_column(sa.Column('reading_language', sa.String(length=40), nullable=False, server_default=''))
    with op.batch_alter_table('person', schema=None) as batch_op:
        batch_op.alter_column('reading_language', existing_type=sa.String(length=40), server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('person', schema=None) as batch_op:
        batch_op.drop_column('reading_language')
