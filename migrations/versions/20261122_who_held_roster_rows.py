"""A log of who holds each row of the roster, so that the undo of a merge gives back what the merge took.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op


revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

# Merges from before this log: the rows that their undo would have given back until now.
TAKEN_BEFORE = """
    INSERT INTO roster_move (tenant_id, roster_entry_id, from_person_id, to_person_id, was_confirmed_how, moved_at)
    SELECT entry.tenant_id, entry.id, gone.id, entry.person_id, '', max(move.moved_at)
    FROM roster_entry AS entry
    JOIN person AS gone ON gone.merged_into_id = entry.person_id AND gone.staff_number = entry.staff_number
    JOIN identity_move AS move ON move.from_person_id = gone.id AND move.to_person_id = entry.person_id
    WHERE gone.confirmed_how = 'roster' AND entry.removed_at IS NULL
    GROUP BY entry.tenant_id, entry.id, gone.id, entry.person_id
"""


def upgrade() -> None:
    op.create_table(
        'roster_move',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('roster_entry_id', sa.Integer(), nullable=False),
        sa.Column('from_person_id', sa.Integer(), nullable=True),
        sa.Column('to_person_id', sa.Integer(), nullable=True),
        sa.Column('was_confirmed_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('was_confirmed_by_id', sa.Integer(), nullable=True),
        sa.Column('was_confirmed_how', sa.String(length=32), nullable=False),
        sa.Column('was_unit_id', sa.Integer(), nullable=True),
        sa.Column('moved_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('undone_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['from_person_id'], ['person.id'], name=op.f('fk_roster_move_from_person_id_person')),
        sa.ForeignKeyConstraint(
            ['roster_entry_id'], ['roster_entry.id'], name=op.f('fk_roster_move_roster_entry_id_roster_entry')
        ),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_roster_move_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['to_person_id'], ['person.id'], name=op.f('fk_roster_move_to_person_id_person')),
        sa.ForeignKeyConstraint(['was_confirmed_by_id'], ['person.id'], name=op.f('fk_roster_move_was_confirmed_by_id_person')),
        sa.ForeignKeyConstraint(['was_unit_id'], ['org_unit.id'], name=op.f('fk_roster_move_was_unit_id_org_unit')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_roster_move')),
    )
    with op.batch_alter_table('roster_move', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_roster_move_from_person_id'), ['from_person_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_roster_move_roster_entry_id'), ['roster_entry_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_roster_move_tenant_id'), ['tenant_id'], unique=False)
    op.execute(TAKEN_BEFORE)


def downgrade() -> None:
    op.drop_table('roster_move')
