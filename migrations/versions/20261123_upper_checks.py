"""市级抽查、省级抽查: draws of a city or province, and what was found.

Revision ID: 0064
Revises: 0063
"""

import sqlalchemy as sa
from alembic import op


revision = '0064'
down_revision = '0063'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'upper_check',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('org_unit_id', sa.Integer(), nullable=False),
        sa.Column(
            'tier',
            sa.Enum('city', 'province', name='tier', native_enum=False, length=32, create_constraint=True),
            nullable=False,
        ),
        sa.Column('round', sa.Integer(), nullable=False),
        sa.Column('percent', sa.Integer(), nullable=False),
        sa.Column('seed', sa.String(length=64), nullable=False),
        sa.Column('works', sa.JSON(), nullable=False),
        sa.Column('drawn_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('drawn_by_id', sa.Integer(), nullable=False),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('ended_by_id', sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_upper_check_tenant_id_tenant')),
        sa.ForeignKeyConstraint(
            ['programme_id'], ['programme.id'], name=op.f('fk_upper_check_programme_id_programme')
        ),
        sa.ForeignKeyConstraint(['org_unit_id'], ['org_unit.id'], name=op.f('fk_upper_check_org_unit_id_org_unit')),
        sa.ForeignKeyConstraint(['drawn_by_id'], ['person.id'], name=op.f('fk_upper_check_drawn_by_id_person')),
        sa.ForeignKeyConstraint(['ended_by_id'], ['person.id'], name=op.f('fk_upper_check_ended_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_upper_check')),
        sa.UniqueConstraint('uuid', name=op.f('uq_upper_check_uuid')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_upper_check_tenant_id_id')),
        sa.UniqueConstraint(
            'programme_id', 'org_unit_id', 'tier', 'round', name=op.f('uq_upper_check_programme_id_org_unit_id_tier_round')
        ),
    )
    op.create_index(op.f('ix_upper_check_tenant_id'), 'upper_check', ['tenant_id'])
    op.create_table(
        'upper_work',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('check_id', sa.Integer(), nullable=False),
        sa.Column('submission_id', sa.Integer(), nullable=False),
        sa.Column('batch_id', sa.Integer(), nullable=False),
        sa.Column('decision_id', sa.Integer(), nullable=False),
        sa.Column('level', sa.Integer(), nullable=False),
        sa.Column('place', sa.Integer(), nullable=False),
        sa.Column('is_upheld', sa.Boolean(), nullable=True),
        sa.Column('found_reason', sa.String(length=2000), nullable=False),
        sa.Column('found_by_id', sa.Integer(), nullable=True),
        sa.Column('found_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['check_id'], ['upper_check.id'], name=op.f('fk_upper_work_check_id_upper_check')),
        sa.ForeignKeyConstraint(
            ['submission_id'], ['submission.id'], name=op.f('fk_upper_work_submission_id_submission')
        ),
        sa.ForeignKeyConstraint(['batch_id'], ['school_batch.id'], name=op.f('fk_upper_work_batch_id_school_batch')),
        sa.ForeignKeyConstraint(['decision_id'], ['decision.id'], name=op.f('fk_upper_work_decision_id_decision')),
        sa.ForeignKeyConstraint(['found_by_id'], ['person.id'], name=op.f('fk_upper_work_found_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_upper_work')),
        sa.UniqueConstraint('check_id', 'submission_id', name=op.f('uq_upper_work_check_id_submission_id')),
    )
    op.create_index('ix_upper_work_submission', 'upper_work', ['submission_id'])


def downgrade() -> None:
    op.drop_table('upper_work')
    op.drop_table('upper_check')
