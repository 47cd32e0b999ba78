"""How many reviews of a programme one person gives, where it is another number than the rules say.

Revision ID: 0067
Revises: 0066
"""

import sqlalchemy as sa
from alembic import op


revision = '0067'
down_revision = '0066'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'review_quota',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('most', sa.Integer(), nullable=True),
        sa.Column('set_by_id', sa.Integer(), nullable=False),
        sa.Column('set_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_review_quota_programme_id_programme')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_review_quota_person_id_person')),
        sa.ForeignKeyConstraint(['set_by_id'], ['person.id'], name=op.f('fk_review_quota_set_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_review_quota')),
        sa.UniqueConstraint('programme_id', 'person_id', name=op.f('uq_review_quota_programme_id_person_id')),
    )


def downgrade() -> None:
    op.drop_table('review_quota')
