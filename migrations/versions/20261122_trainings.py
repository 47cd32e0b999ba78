"""Trainings: what was planned, who was there, codes to sign in with; their hours are kinds of their own in the ledger.

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op


revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None

BEFORE = ('practice', 'online')
CHECK = 'ck_credit_entry_creditkind'

# SQLite rebuilds the ledger's table, and its triggers go with the old one.
LEDGER_TRIGGERS = [
    "CREATE TRIGGER credit_entry_no_update BEFORE UPDATE ON credit_entry "
    "BEGIN SELECT RAISE(ABORT, 'credit_entry is append-only'); END",
    "CREATE TRIGGER credit_entry_no_delete BEFORE DELETE ON credit_entry "
    "BEGIN SELECT RAISE(ABORT, 'credit_entry is append-only'); END",
    "CREATE TRIGGER credit_entry_unsealed AFTER INSERT ON credit_entry "
    "BEGIN INSERT INTO ledger_unsealed (entry_id) VALUES (NEW.id); END",
]
LOG_TRIGGERS = {
    'sqlite': [
        "CREATE TRIGGER attendance_change_no_update BEFORE UPDATE ON attendance_change "
        "BEGIN SELECT RAISE(ABORT, 'attendance_change is append-only'); END",
        "CREATE TRIGGER attendance_change_no_delete BEFORE DELETE ON attendance_change "
        "BEGIN SELECT RAISE(ABORT, 'attendance_change is append-only'); END",
    ],
    'postgresql': [
        "CREATE OR REPLACE FUNCTION attendance_change_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'attendance_change is append-only'; END $$",
        "CREATE TRIGGER attendance_change_no_change BEFORE UPDATE OR DELETE ON attendance_change "
        "FOR EACH ROW EXECUTE FUNCTION attendance_change_append_only()",
        "CREATE TRIGGER attendance_change_no_truncate BEFORE TRUNCATE ON attendance_change "
        "FOR EACH STATEMENT EXECUTE FUNCTION attendance_change_append_only()",
    ],
}


def allow(kinds: 'tuple[str, ...]') -> None:
    listed = ', '.join(f"'{kind}'" for kind in kinds)
    with op.batch_alter_table('credit_entry', schema=None) as batch_op:
        batch_op.drop_constraint(op.f(CHECK), type_='check')
        batch_op.create_check_constraint(op.f(CHECK), f'kind IN ({listed})')
    if op.get_bind().dialect.name == 'sqlite':
        for statement in LEDGER_TRIGGERS:
            op.execute(statement)


def upgrade() -> None:
    allow((*BEFORE, 'offline', 'school_based'))
    op.create_table(
        'training',
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('org_unit_id', sa.Integer(), nullable=False),
        sa.Column('title', sa.String(length=200), nullable=False),
        sa.Column(
            'kind',
            sa.Enum(
                'online',
                'offline',
                'school_based',
                'practice',
                name='trainingkind',
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            'expects',
            sa.Enum('roster', 'programme', name='expects', native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column('starts_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('minutes', sa.Integer(), nullable=False),
        sa.Column('place', sa.String(length=200), nullable=False),
        sa.Column(
            'state',
            sa.Enum(
                'planned',
                'cancelled',
                'closed',
                name='trainingstate',
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column('reason', sa.String(length=300), nullable=False),
        sa.Column('sign_in_secret', sa.String(length=64), nullable=False),
        sa.Column('planned_by_id', sa.Integer(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('ended_by_id', sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(['ended_by_id'], ['person.id'], name=op.f('fk_training_ended_by_id_person')),
        sa.ForeignKeyConstraint(['org_unit_id'], ['org_unit.id'], name=op.f('fk_training_org_unit_id_org_unit')),
        sa.ForeignKeyConstraint(['planned_by_id'], ['person.id'], name=op.f('fk_training_planned_by_id_person')),
        sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_training_programme_id_programme')),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_training_tenant_id_tenant')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_training')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_training_tenant_id_id')),
        sa.UniqueConstraint('uuid', name=op.f('uq_training_uuid')),
    )
    op.create_index(op.f('ix_training_programme_id'), 'training', ['programme_id'], unique=False)
    op.create_index(op.f('ix_training_tenant_id'), 'training', ['tenant_id'], unique=False)
    op.create_index('ix_training_unit', 'training', ['org_unit_id', 'starts_at'], unique=False)
    op.create_table(
        'attendance',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('training_id', sa.Integer(), nullable=False),
        sa.Column('roster_entry_id', sa.Integer(), nullable=True),
        sa.Column('person_id', sa.Integer(), nullable=True),
        sa.Column('way', sa.String(length=16), nullable=False),
        sa.Column('minutes', sa.Integer(), nullable=True),
        sa.Column('signed_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('entry_id', sa.Integer(), nullable=True),
        sa.Column('bookings', sa.Integer(), nullable=False),
        sa.Column('removed_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['entry_id'], ['credit_entry.id'], name=op.f('fk_attendance_entry_id_credit_entry')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_attendance_person_id_person')),
        sa.ForeignKeyConstraint(
            ['roster_entry_id'], ['roster_entry.id'], name=op.f('fk_attendance_roster_entry_id_roster_entry')
        ),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_attendance_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['training_id'], ['training.id'], name=op.f('fk_attendance_training_id_training')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_attendance')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_attendance_tenant_id_id')),
        sa.UniqueConstraint('training_id', 'person_id', name=op.f('uq_attendance_training_id_person_id')),
        sa.UniqueConstraint('training_id', 'roster_entry_id', name=op.f('uq_attendance_training_id_roster_entry_id')),
        sa.UniqueConstraint('uuid', name=op.f('uq_attendance_uuid')),
    )
    op.create_index(op.f('ix_attendance_person_id'), 'attendance', ['person_id'], unique=False)
    op.create_index(op.f('ix_attendance_roster_entry_id'), 'attendance', ['roster_entry_id'], unique=False)
    op.create_index(op.f('ix_attendance_tenant_id'), 'attendance', ['tenant_id'], unique=False)
    op.create_table(
        'attendance_change',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('attendance_id', sa.Integer(), nullable=False),
        sa.Column('what', sa.String(length=16), nullable=False),
        sa.Column('way', sa.String(length=16), nullable=False),
        sa.Column('minutes', sa.Integer(), nullable=True),
        sa.Column('reason', sa.String(length=300), nullable=False),
        sa.Column('by_id', sa.Integer(), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ['attendance_id'], ['attendance.id'], name=op.f('fk_attendance_change_attendance_id_attendance')
        ),
        sa.ForeignKeyConstraint(['by_id'], ['person.id'], name=op.f('fk_attendance_change_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_attendance_change')),
    )
    op.create_index(op.f('ix_attendance_change_attendance_id'), 'attendance_change', ['attendance_id'], unique=False)
    op.create_table(
        'personal_code',
        sa.Column('person_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('code_hash', sa.String(length=64), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_personal_code_person_id_person')),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_personal_code_tenant_id_tenant')),
        sa.PrimaryKeyConstraint('person_id', name=op.f('pk_personal_code')),
        sa.UniqueConstraint('tenant_id', 'code_hash', name=op.f('uq_personal_code_tenant_id_code_hash')),
    )
    op.create_table(
        'sign_in_try',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('who', sa.String(length=120), nullable=False),
        sa.Column('tried_at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_sign_in_try')),
    )
    op.create_index(op.f('ix_sign_in_try_tried_at'), 'sign_in_try', ['tried_at'], unique=False)
    op.create_index('ix_sign_in_try_who', 'sign_in_try', ['who', 'tried_at'], unique=False)
    for statement in LOG_TRIGGERS[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    """Hours of trainings become online hours: the older schema knows no kind for them. Seals then say so."""
    is_postgresql = op.get_bind().dialect.name == 'postgresql'
    for name in ('sign_in_try', 'personal_code', 'attendance_change', 'attendance', 'training'):
        op.drop_table(name)
    if is_postgresql:
        op.execute("DROP FUNCTION attendance_change_append_only()")
        op.execute("ALTER TABLE credit_entry DISABLE TRIGGER credit_entry_no_change")
    else:
        for trigger in ('no_update', 'no_delete', 'unsealed'):
            op.execute(f"DROP TRIGGER credit_entry_{trigger}")
    op.execute("UPDATE credit_entry SET kind = 'online' WHERE kind IN ('offline', 'school_based')")
    if is_postgresql:
        op.execute("ALTER TABLE credit_entry ENABLE TRIGGER credit_entry_no_change")
    allow(BEFORE)
