"""工作量证明 say on which days each kind of work was done.

Revision ID: 0070
Revises: 0069
"""

import sqlalchemy as sa
from alembic import op


revision = '0070'
down_revision = '0069'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not by rebuilding the table: its triggers, which keep it append-only, stay where they are.
    op.add_column('work_statement', sa.Column('days', sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column('work_statement', 'days')
