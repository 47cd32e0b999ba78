"""An officer may open one more preparation of a failed point than the rules give.

Revision ID: 0054
Revises: 0053
"""

import sqlalchemy as sa
from alembic import op


revision = '0054'
down_revision = '0053'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('decision', schema=None) as batch_op:
        batch_op.add_column(sa.Column('retake_opened_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('retake_opened_by_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('retake_reason', sa.String(length=300), nullable=False, server_default=''))
        batch_op.create_foreign_key(
            op.f('fk_decision_retake_opened_by_id_person'), 'person', ['retake_opened_by_id'], ['id']
        )
    with op.batch_alter_table('decision', schema=None) as batch_op:
        batch_op.alter_column('retake_reason', existing_type=sa.String(length=300), server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('decision', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('fk_decision_retake_opened_by_id_person'), type_='foreignkey')
        batch_op.drop_column('retake_reason')
        batch_op.drop_column('retake_opened_by_id')
        batch_op.drop_column('retake_opened_at')
