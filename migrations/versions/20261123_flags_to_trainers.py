"""请评审员看看: what reviewers and authors ask a trainer to look at.

Revision ID: 0058
Revises: 0057
"""

import sqlalchemy as sa
from alembic import op


revision = '0058'
down_revision = '0057'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'review_flag',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('submission_id', sa.Integer(), nullable=False),
        sa.Column('submission_version_id', sa.Integer(), nullable=False),
        sa.Column('review_id', sa.Integer(), nullable=True),
        sa.Column('by_id', sa.Integer(), nullable=False),
        sa.Column(
            'kind',
            sa.Enum(
                'copied', 'unfit', 'leak', 'unopenable', 'rude', 'empty', 'other',
                name='flagkind', native_enum=False, length=32, create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column('about', sa.String(length=130), nullable=False),
        sa.Column('words', sa.String(length=500), nullable=False),
        sa.Column('raised_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('settled_by_id', sa.Integer(), nullable=True),
        sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('answer', sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_review_flag_tenant_id_tenant')),
        sa.ForeignKeyConstraint(
            ['submission_id'], ['submission.id'], name=op.f('fk_review_flag_submission_id_submission')
        ),
        sa.ForeignKeyConstraint(
            ['submission_version_id'],
            ['submission_version.id'],
            name=op.f('fk_review_flag_submission_version_id_submission_version'),
        ),
        sa.ForeignKeyConstraint(['review_id'], ['review.id'], name=op.f('fk_review_flag_review_id_review')),
        sa.ForeignKeyConstraint(['by_id'], ['person.id'], name=op.f('fk_review_flag_by_id_person')),
        sa.ForeignKeyConstraint(['settled_by_id'], ['person.id'], name=op.f('fk_review_flag_settled_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_review_flag')),
        sa.UniqueConstraint('uuid', name=op.f('uq_review_flag_uuid')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_review_flag_tenant_id_id')),
    )
    for column in ('tenant_id', 'submission_id', 'by_id'):
        op.create_index(op.f(f'ix_review_flag_{column}'), 'review_flag', [column])


def downgrade() -> None:
    op.drop_table('review_flag')
