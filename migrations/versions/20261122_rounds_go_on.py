"""A round may go on after its end (补训), be put away (归档), and says what became of it.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op


revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'programme_event',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('kind', sa.String(length=32), nullable=False),
        sa.Column('reason', sa.String(length=300), nullable=False),
        sa.Column('details', sa.JSON(), nullable=False),
        sa.Column('by_id', sa.Integer(), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ['programme_id'], ['programme.id'], name=op.f('fk_programme_event_programme_id_programme')
        ),
        sa.ForeignKeyConstraint(['by_id'], ['person.id'], name=op.f('fk_programme_event_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_programme_event')),
    )
    op.create_index(op.f('ix_programme_event_programme_id'), 'programme_event', ['programme_id'])
    with op.batch_alter_table('programme', schema=None) as batch_op:
        batch_op.add_column(sa.Column('make_up', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('archived_at', sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table('programme', schema=None) as batch_op:
        batch_op.alter_column('make_up', existing_type=sa.Integer(), server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('programme', schema=None) as batch_op:
        batch_op.drop_column('archived_at')
        batch_op.drop_column('make_up')
    op.drop_table('programme_event')
