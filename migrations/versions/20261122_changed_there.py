"""A score that somebody has changed in the host's gradebook is a state of its own.

Revision ID: 0004
Revises: 0003
"""

from alembic import op


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

BEFORE = ('waiting', 'delivered', 'retrying', 'failed', 'not_a_learner', 'not_offered')
CHECK = 'ck_lti_score_delivery_deliverystate'


def allow(states: 'tuple[str, ...]') -> None:
    listed = ', '.join(f"'{state}'" for state in states)
    with op.batch_alter_table('lti_score_delivery', schema=None) as batch_op:
        batch_op.drop_constraint(op.f(CHECK), type_='check')
        batch_op.create_check_constraint(op.f(CHECK), f'state IN ({listed})')


def upgrade() -> None:
    allow((*BEFORE, 'overridden'))


def downgrade() -> None:
    op.execute("UPDATE lti_score_delivery SET state = 'failed' WHERE state = 'overridden'")
    allow(BEFORE)
