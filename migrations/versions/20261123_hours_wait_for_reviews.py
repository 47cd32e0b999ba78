"""Hours of points may wait until their owner has finished the reviews they owe.

Revision ID: 0063
Revises: 0062
"""

import sqlalchemy as sa
from alembic import op


revision = '0063'
down_revision = '0062'
branch_labels = None
depends_on = None

OPEN = sa.text('ended_at IS NULL')


def upgrade() -> None:
    op.create_table(
        'held_hours',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('since_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_held_hours_person_id_person')),
        sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_held_hours_programme_id_programme')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_held_hours')),
    )
    op.create_index(
        'uq_held_hours_open', 'held_hours', ['programme_id', 'person_id'],
        unique=True, sqlite_where=OPEN, postgresql_where=OPEN,
    )


def downgrade() -> None:
    # What waits is no loss: the next release of the person, or the next change of rules, books it.
    op.drop_table('held_hours')
