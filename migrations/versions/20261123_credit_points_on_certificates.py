"""学分 on certificates: how many hours made one by the rules of the day.

Revision ID: 0066
Revises: 0065
"""

import sqlalchemy as sa
from alembic import op


revision = '0066'
down_revision = '0065'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not by rebuilding the table: its triggers, which keep it append-only, stay where they are.
    op.add_column('certificate', sa.Column('per_credit_point_hundredths', sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column('certificate', 'per_credit_point_hundredths')
