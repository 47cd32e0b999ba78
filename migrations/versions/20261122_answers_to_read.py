"""A teacher is told of an answer to a correction request; works of a school are found by the school.

Revision ID: 0032
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op


revision = '0032'
down_revision = '0031'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('person', sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True))
    op.create_index('ix_submission_version_unit', 'submission_version', ['org_unit_id'])


def downgrade() -> None:
    op.drop_index('ix_submission_version_unit', table_name='submission_version')
    op.drop_column('person', 'answered_at')
