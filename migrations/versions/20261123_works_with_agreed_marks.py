"""Works with agreed marks, by which reviewers see how they mark.

Revision ID: 0061
Revises: 0060
"""

import sqlalchemy as sa
from alembic import op


revision = '0061'
down_revision = '0060'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'gold_item',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('submission_id', sa.Integer(), nullable=False),
        sa.Column('submission_version_id', sa.Integer(), nullable=False),
        sa.Column('agreed', sa.JSON(), nullable=False),
        sa.Column('consent', sa.String(length=300), nullable=False),
        sa.Column('made_by_id', sa.Integer(), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ended_by_id', sa.Integer(), nullable=True),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_gold_item_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_gold_item_programme_id_programme')),
        sa.ForeignKeyConstraint(
            ['submission_id'], ['submission.id'], name=op.f('fk_gold_item_submission_id_submission')
        ),
        sa.ForeignKeyConstraint(
            ['submission_version_id'], ['submission_version.id'],
            name=op.f('fk_gold_item_submission_version_id_submission_version'),
        ),
        sa.ForeignKeyConstraint(['made_by_id'], ['person.id'], name=op.f('fk_gold_item_made_by_id_person')),
        sa.ForeignKeyConstraint(['ended_by_id'], ['person.id'], name=op.f('fk_gold_item_ended_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_gold_item')),
        sa.UniqueConstraint('uuid', name=op.f('uq_gold_item_uuid')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_gold_item_tenant_id_id')),
    )
    for column in ('tenant_id', 'programme_id', 'submission_version_id'):
        op.create_index(op.f(f'ix_gold_item_{column}'), 'gold_item', [column])
    op.create_table(
        'gold_review',
        sa.Column('review_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('gold_item_id', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(['review_id'], ['review.id'], name=op.f('fk_gold_review_review_id_review')),
        sa.ForeignKeyConstraint(
            ['gold_item_id'], ['gold_item.id'], name=op.f('fk_gold_review_gold_item_id_gold_item')
        ),
        sa.PrimaryKeyConstraint('review_id', name=op.f('pk_gold_review')),
    )
    op.create_index(op.f('ix_gold_review_gold_item_id'), 'gold_review', ['gold_item_id'])


def downgrade() -> None:
    op.drop_table('gold_review')
    op.drop_table('gold_item')
