"""Rows of the roster say what somebody is to projects, and which environments hold for them alone.

Revision ID: 0038
Revises: 0037
"""

import sqlalchemy as sa
from alembic import op


revision = '0038'
down_revision = '0037'
branch_labels = None
depends_on = None

CHECK = 'ck_roster_entry_category'
CATEGORIES = ('teacher', 'backbone', 'coach', 'manager', 'principal')


def upgrade() -> None:
    listed = ', '.join(f"'{category}'" for category in CATEGORIES)
    with op.batch_alter_table('roster_entry', schema=None) as batch_op:
        batch_op.add_column(sa.Column('category', sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column('environment', sa.String(length=32), server_default='', nullable=False))
        batch_op.create_check_constraint(op.f(CHECK), f'category IN ({listed})')


def downgrade() -> None:
    with op.batch_alter_table('roster_entry', schema=None) as batch_op:
        batch_op.drop_constraint(op.f(CHECK), type_='check')
        batch_op.drop_column('environment')
        batch_op.drop_column('category')
