"""Teachers ask that the ledger be put right, and officers answer.

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op


revision = '0027'
down_revision = '0026'
branch_labels = None
depends_on = None


def upgrade() -> None:
    answers = sa.Enum('booked', 'reversed', 'explained', name='answer', native_enum=False, length=32, create_constraint=True)
    op.create_table(
        'hours_request',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('entry_id', sa.Integer(), nullable=True),
        sa.Column('org_unit_id', sa.Integer(), nullable=True),
        sa.Column('text', sa.String(length=1000), nullable=False),
        sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('answer', answers, nullable=True),
        sa.Column('reply', sa.String(length=1000), nullable=False),
        sa.Column('answer_entry_id', sa.Integer(), nullable=True),
        sa.Column('answered_by_id', sa.Integer(), nullable=True),
        sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ['answer_entry_id'], ['credit_entry.id'], name=op.f('fk_hours_request_answer_entry_id_credit_entry')
        ),
        sa.ForeignKeyConstraint(['answered_by_id'], ['person.id'], name=op.f('fk_hours_request_answered_by_id_person')),
        sa.ForeignKeyConstraint(['entry_id'], ['credit_entry.id'], name=op.f('fk_hours_request_entry_id_credit_entry')),
        sa.ForeignKeyConstraint(['org_unit_id'], ['org_unit.id'], name=op.f('fk_hours_request_org_unit_id_org_unit')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_hours_request_person_id_person')),
        sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_hours_request_programme_id_programme')),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_hours_request_tenant_id_tenant')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_hours_request')),
        sa.UniqueConstraint('uuid', name=op.f('uq_hours_request_uuid')),
    )
    for column in ('tenant_id', 'person_id', 'org_unit_id'):
        op.create_index(op.f(f'ix_hours_request_{column}'), 'hours_request', [column])


def downgrade() -> None:
    op.drop_table('hours_request')
