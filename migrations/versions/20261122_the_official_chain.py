"""The official chain: 考核小组, a school's batches with the county's draw, 公示 and objections.

Programmes that are there go on without it.

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op


revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None

ROLES = ('teacher', 'trainer', 'school_lead', 'officer', 'it', 'auditor')


def allow(kinds: 'tuple[str, ...]') -> None:
    listed = ', '.join(f"'{kind}'" for kind in kinds)
    for table in ('role', 'invitation'):
        check = op.f(f'ck_{table}_rolekind')
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_constraint(check, type_='check')
            batch_op.create_check_constraint(check, f'kind IN ({listed})')


def upgrade() -> None:
    allow((*ROLES, 'panel'))
    for name in ('panel_decides', 'goes_by_batch'):
        with op.batch_alter_table('programme', schema=None) as batch_op:
            batch_op.add_column(sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False))
        with op.batch_alter_table('programme', schema=None) as batch_op:
            batch_op.alter_column(name, existing_type=sa.Boolean(), server_default=None)
    with op.batch_alter_table('submission', schema=None) as batch_op:
        batch_op.add_column(sa.Column('batch_id', sa.Integer(), nullable=True))
    op.create_table(
        'school_batch',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('org_unit_id', sa.Integer(), nullable=False),
        sa.Column('round', sa.Integer(), nullable=False),
        sa.Column(
            'state',
            sa.Enum(
                'checking', 'returned', 'shown', 'ready', 'released',
                name='batchstate', native_enum=False, create_constraint=True, length=32,
            ),
            nullable=False,
        ),
        sa.Column('seed', sa.String(length=64), nullable=False),
        sa.Column('percent', sa.Integer(), nullable=False),
        sa.Column('all_excellent', sa.Boolean(), nullable=False),
        sa.Column('closed_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('closed_by_id', sa.Integer(), nullable=False),
        sa.Column('checked_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('checked_by_id', sa.Integer(), nullable=True),
        sa.Column('shown_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('ends_on', sa.Date(), nullable=True),
        sa.Column('ends_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('released_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['closed_by_id'], ['person.id'], name=op.f('fk_school_batch_closed_by_id_person')),
        sa.ForeignKeyConstraint(['checked_by_id'], ['person.id'], name=op.f('fk_school_batch_checked_by_id_person')),
        sa.ForeignKeyConstraint(['org_unit_id'], ['org_unit.id'], name=op.f('fk_school_batch_org_unit_id_org_unit')),
        sa.ForeignKeyConstraint(
            ['programme_id'], ['programme.id'], name=op.f('fk_school_batch_programme_id_programme')
        ),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_school_batch_tenant_id_tenant')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_school_batch')),
        sa.UniqueConstraint(
            'programme_id', 'org_unit_id', 'round', name=op.f('uq_school_batch_programme_id_org_unit_id_round')
        ),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_school_batch_tenant_id_id')),
        sa.UniqueConstraint('uuid', name=op.f('uq_school_batch_uuid')),
    )
    with op.batch_alter_table('school_batch', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_school_batch_tenant_id'), ['tenant_id'], unique=False)
    op.create_table(
        'batch_work',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('batch_id', sa.Integer(), nullable=False),
        sa.Column('submission_id', sa.Integer(), nullable=False),
        sa.Column('decision_id', sa.Integer(), nullable=True),
        sa.Column('level', sa.Integer(), nullable=True),
        sa.Column('left_out', sa.String(length=500), nullable=False),
        sa.Column('must', sa.String(length=16), nullable=False),
        sa.Column('drawn', sa.String(length=16), nullable=False),
        sa.Column('is_upheld', sa.Boolean(), nullable=True),
        sa.Column('found_reason', sa.String(length=2000), nullable=False),
        sa.Column('found_by_id', sa.Integer(), nullable=True),
        sa.Column('found_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['batch_id'], ['school_batch.id'], name=op.f('fk_batch_work_batch_id_school_batch')),
        sa.ForeignKeyConstraint(['decision_id'], ['decision.id'], name=op.f('fk_batch_work_decision_id_decision')),
        sa.ForeignKeyConstraint(['found_by_id'], ['person.id'], name=op.f('fk_batch_work_found_by_id_person')),
        sa.ForeignKeyConstraint(
            ['submission_id'], ['submission.id'], name=op.f('fk_batch_work_submission_id_submission')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_batch_work')),
        sa.UniqueConstraint('batch_id', 'submission_id', name=op.f('uq_batch_work_batch_id_submission_id')),
    )
    with op.batch_alter_table('batch_work', schema=None) as batch_op:
        batch_op.create_index('ix_batch_work_submission', ['submission_id'], unique=False)
    op.create_table(
        'objection',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('batch_id', sa.Integer(), nullable=False),
        sa.Column('submission_id', sa.Integer(), nullable=False),
        sa.Column('raised_by_id', sa.Integer(), nullable=False),
        sa.Column('said_by', sa.String(length=100), nullable=False),
        sa.Column('text', sa.String(length=2000), nullable=False),
        sa.Column('raised_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('is_upheld', sa.Boolean(), nullable=True),
        sa.Column('answer', sa.String(length=2000), nullable=False),
        sa.Column('answered_by_id', sa.Integer(), nullable=True),
        sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['answered_by_id'], ['person.id'], name=op.f('fk_objection_answered_by_id_person')),
        sa.ForeignKeyConstraint(['batch_id'], ['school_batch.id'], name=op.f('fk_objection_batch_id_school_batch')),
        sa.ForeignKeyConstraint(['raised_by_id'], ['person.id'], name=op.f('fk_objection_raised_by_id_person')),
        sa.ForeignKeyConstraint(
            ['submission_id'], ['submission.id'], name=op.f('fk_objection_submission_id_submission')
        ),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_objection_tenant_id_tenant')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_objection')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_objection_tenant_id_id')),
        sa.UniqueConstraint('uuid', name=op.f('uq_objection_uuid')),
    )
    with op.batch_alter_table('objection', schema=None) as batch_op:
        for column in ('batch_id', 'submission_id', 'tenant_id'):
            batch_op.create_index(batch_op.f(f'ix_objection_{column}'), [column], unique=False)


def downgrade() -> None:
    op.drop_table('objection')
    op.drop_table('batch_work')
    op.drop_table('school_batch')
    with op.batch_alter_table('submission', schema=None) as batch_op:
        batch_op.drop_column('batch_id')
    with op.batch_alter_table('programme', schema=None) as batch_op:
        batch_op.drop_column('goes_by_batch')
        batch_op.drop_column('panel_decides')
    # Whoever was only in a 考核小组 has no role of ours any more; the rest of the row says who it was.
    op.execute("UPDATE role SET kind = 'teacher', revoked_at = COALESCE(revoked_at, granted_at) WHERE kind = 'panel'")
    allow(ROLES)
