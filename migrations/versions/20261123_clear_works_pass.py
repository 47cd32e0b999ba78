"""Clear works pass without a trainer where the rules say so; which decisions came about so.

Revision ID: 0059
Revises: 0058
"""

import sqlalchemy as sa
from alembic import op


revision = '0059'
down_revision = '0058'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('programme', schema=None) as batch_op:
        batch_op.add_column(sa.Column('passed_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('passes_clear', sa.Boolean(), server_default=sa.false(), nullable=False))
    with op.batch_alter_table('programme', schema=None) as batch_op:
        batch_op.alter_column('passes_clear', existing_type=sa.Boolean(), server_default=None)
    with op.batch_alter_table('decision', schema=None) as batch_op:
        batch_op.add_column(sa.Column('by_policy_id', sa.Integer(), nullable=True))
        batch_op.create_foreign_key(
            batch_op.f('fk_decision_by_policy_id_programme_policy'), 'programme_policy', ['by_policy_id'], ['id']
        )


def downgrade() -> None:
    with op.batch_alter_table('decision', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_decision_by_policy_id_programme_policy'), type_='foreignkey')
        batch_op.drop_column('by_policy_id')
    with op.batch_alter_table('programme', schema=None) as batch_op:
        batch_op.drop_column('passes_clear')
        batch_op.drop_column('passed_at')
