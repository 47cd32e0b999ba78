"""Two people who do not review each other.

Revision ID: 0048
Revises: 0047
"""

import sqlalchemy as sa
from alembic import op


revision = '0048'
down_revision = '0047'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'review_conflict',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('one_id', sa.Integer(), nullable=False),
        sa.Column('other_id', sa.Integer(), nullable=False),
        sa.Column(
            'kind',
            sa.Enum(
                'family', 'line', 'together', 'other',
                name='conflictkind', native_enum=False, length=32, create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column('note', sa.String(length=200), nullable=False),
        sa.Column('said_by_id', sa.Integer(), nullable=False),
        sa.Column('said_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ended_by_id', sa.Integer(), nullable=True),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_review_conflict_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['one_id'], ['person.id'], name=op.f('fk_review_conflict_one_id_person')),
        sa.ForeignKeyConstraint(['other_id'], ['person.id'], name=op.f('fk_review_conflict_other_id_person')),
        sa.ForeignKeyConstraint(['said_by_id'], ['person.id'], name=op.f('fk_review_conflict_said_by_id_person')),
        sa.ForeignKeyConstraint(['ended_by_id'], ['person.id'], name=op.f('fk_review_conflict_ended_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_review_conflict')),
        sa.UniqueConstraint('uuid', name=op.f('uq_review_conflict_uuid')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_review_conflict_tenant_id_id')),
    )
    for column in ('tenant_id', 'one_id', 'other_id'):
        op.create_index(op.f(f'ix_review_conflict_{column}'), 'review_conflict', [column])


def downgrade() -> None:
    op.drop_table('review_conflict')
