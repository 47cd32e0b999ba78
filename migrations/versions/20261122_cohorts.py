"""Teachers of a programme are called in by years (分批).

Revision ID: 0028
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op


revision = '0028'
down_revision = '0027'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'cohort_place',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('roster_entry_id', sa.Integer(), nullable=False),
        sa.Column('year', sa.Integer(), nullable=False),
        sa.Column('is_by_hand', sa.Boolean(), nullable=False),
        sa.Column('placed_by_id', sa.Integer(), nullable=True),
        sa.Column('placed_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ['programme_id'], ['programme.id'], name=op.f('fk_cohort_place_programme_id_programme')
        ),
        sa.ForeignKeyConstraint(
            ['roster_entry_id'], ['roster_entry.id'], name=op.f('fk_cohort_place_roster_entry_id_roster_entry')
        ),
        sa.ForeignKeyConstraint(['placed_by_id'], ['person.id'], name=op.f('fk_cohort_place_placed_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_cohort_place')),
        sa.UniqueConstraint(
            'programme_id', 'roster_entry_id', name=op.f('uq_cohort_place_programme_id_roster_entry_id')
        ),
    )
    op.create_index(op.f('ix_cohort_place_roster_entry_id'), 'cohort_place', ['roster_entry_id'])


def downgrade() -> None:
    op.drop_table('cohort_place')
