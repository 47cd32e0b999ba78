"""整校推进: what a county asks of its schools, their plans with papers, and what happened to them.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op


revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'plan_call',
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('papers', sa.JSON(), nullable=False),
        sa.Column('due_on', sa.Date(), nullable=True),
        sa.Column('is_open', sa.Boolean(), nullable=False),
        sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('changed_by_id', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_plan_call_programme_id_programme')),
        sa.ForeignKeyConstraint(['changed_by_id'], ['person.id'], name=op.f('fk_plan_call_changed_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_plan_call')),
        sa.UniqueConstraint('programme_id', name=op.f('uq_plan_call_programme_id')),
    )
    op.create_table(
        'school_plan',
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('org_unit_id', sa.Integer(), nullable=False),
        sa.Column(
            'state',
            sa.Enum(
                'draft', 'submitted', 'returned', 'accepted',
                name='planstate', native_enum=False, length=32, create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column('team', sa.JSON(), nullable=False),
        sa.Column('environment', sa.String(length=32), nullable=False),
        sa.Column('submitted_by_id', sa.Integer(), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_school_plan_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_school_plan_programme_id_programme')),
        sa.ForeignKeyConstraint(['org_unit_id'], ['org_unit.id'], name=op.f('fk_school_plan_org_unit_id_org_unit')),
        sa.ForeignKeyConstraint(['submitted_by_id'], ['person.id'], name=op.f('fk_school_plan_submitted_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_school_plan')),
        sa.UniqueConstraint('uuid', name=op.f('uq_school_plan_uuid')),
        sa.UniqueConstraint('programme_id', 'org_unit_id', name=op.f('uq_school_plan_programme_id_org_unit_id')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_school_plan_tenant_id_id')),
    )
    op.create_index(op.f('ix_school_plan_tenant_id'), 'school_plan', ['tenant_id'])
    op.create_index(op.f('ix_school_plan_org_unit_id'), 'school_plan', ['org_unit_id'])
    op.create_table(
        'plan_paper',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('plan_id', sa.Integer(), nullable=False),
        sa.Column('paper', sa.String(length=60), nullable=False),
        sa.Column('stored_file_id', sa.Integer(), nullable=False),
        sa.Column('added_by_id', sa.Integer(), nullable=False),
        sa.Column('added_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('removed_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_plan_paper_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['plan_id'], ['school_plan.id'], name=op.f('fk_plan_paper_plan_id_school_plan')),
        sa.ForeignKeyConstraint(
            ['stored_file_id'], ['stored_file.id'], name=op.f('fk_plan_paper_stored_file_id_stored_file')
        ),
        sa.ForeignKeyConstraint(['added_by_id'], ['person.id'], name=op.f('fk_plan_paper_added_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_plan_paper')),
        sa.UniqueConstraint('uuid', name=op.f('uq_plan_paper_uuid')),
    )
    for column in ('tenant_id', 'plan_id', 'stored_file_id'):
        op.create_index(op.f(f'ix_plan_paper_{column}'), 'plan_paper', [column])
    op.create_table(
        'plan_event',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('plan_id', sa.Integer(), nullable=False),
        sa.Column(
            'kind',
            sa.Enum(
                'submitted', 'withdrawn', 'returned', 'accepted',
                name='planeventkind', native_enum=False, length=32, create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('reason', sa.String(length=1000), nullable=False),
        sa.Column('manifest', sa.JSON(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['plan_id'], ['school_plan.id'], name=op.f('fk_plan_event_plan_id_school_plan')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_plan_event_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_plan_event')),
    )
    op.create_index(op.f('ix_plan_event_plan_id'), 'plan_event', ['plan_id'])


def downgrade() -> None:
    for table in ('plan_event', 'plan_paper', 'school_plan', 'plan_call'):
        op.drop_table(table)
