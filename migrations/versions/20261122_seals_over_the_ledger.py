"""The ledger's entries go under seals, a chain of hashes for each district.

Entries that are there wait for the worker's first minute.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op


revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None

TRIGGERS = {
    'sqlite': [
        "CREATE TRIGGER ledger_seal_no_update BEFORE UPDATE ON ledger_seal "
        "BEGIN SELECT RAISE(ABORT, 'ledger_seal is append-only'); END",
        "CREATE TRIGGER ledger_seal_no_delete BEFORE DELETE ON ledger_seal "
        "BEGIN SELECT RAISE(ABORT, 'ledger_seal is append-only'); END",
        "CREATE TRIGGER credit_entry_unsealed AFTER INSERT ON credit_entry "
        "BEGIN INSERT INTO ledger_unsealed (entry_id) VALUES (NEW.id); END",
    ],
    'postgresql': [
        "CREATE OR REPLACE FUNCTION ledger_seal_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'ledger_seal is append-only'; END $$",
        "CREATE TRIGGER ledger_seal_no_change BEFORE UPDATE OR DELETE ON ledger_seal "
        "FOR EACH ROW EXECUTE FUNCTION ledger_seal_append_only()",
        "CREATE TRIGGER ledger_seal_no_truncate BEFORE TRUNCATE ON ledger_seal "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_seal_append_only()",
        "CREATE OR REPLACE FUNCTION credit_entry_unsealed() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO ledger_unsealed (entry_id) VALUES (NEW.id); RETURN NULL; END $$",
        "CREATE TRIGGER credit_entry_unsealed AFTER INSERT ON credit_entry "
        "FOR EACH ROW EXECUTE FUNCTION credit_entry_unsealed()",
    ],
}


def upgrade() -> None:
    op.create_table(
        'ledger_seal',
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('form', sa.Integer(), nullable=False),
        sa.Column('first_entry_id', sa.Integer(), nullable=False),
        sa.Column('last_entry_id', sa.Integer(), nullable=False),
        sa.Column('entry_count', sa.Integer(), nullable=False),
        sa.Column('entries', sa.Text(), nullable=False),
        sa.Column('previous_hash', sa.String(length=64), nullable=False),
        sa.Column('hash', sa.String(length=64), nullable=False),
        sa.Column('sealed_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_ledger_seal_tenant_id_tenant')),
        sa.ForeignKeyConstraint(
            ['first_entry_id'], ['credit_entry.id'], name=op.f('fk_ledger_seal_first_entry_id_credit_entry')
        ),
        sa.ForeignKeyConstraint(
            ['last_entry_id'], ['credit_entry.id'], name=op.f('fk_ledger_seal_last_entry_id_credit_entry')
        ),
        sa.PrimaryKeyConstraint('tenant_id', 'number', name=op.f('pk_ledger_seal')),
    )
    op.create_table(
        'ledger_unsealed',
        sa.Column('entry_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ['entry_id'], ['credit_entry.id'], name=op.f('fk_ledger_unsealed_entry_id_credit_entry')
        ),
        sa.PrimaryKeyConstraint('entry_id', name=op.f('pk_ledger_unsealed')),
    )
    # The trigger first: on PostgreSQL it waits for whoever is adding entries, and what they added is then seen below.
    for statement in TRIGGERS[op.get_bind().dialect.name]:
        op.execute(statement)
    op.execute("INSERT INTO ledger_unsealed (entry_id) SELECT id FROM credit_entry")


def downgrade() -> None:
    if op.get_bind().dialect.name == 'postgresql':
        op.execute("DROP TRIGGER credit_entry_unsealed ON credit_entry")
        op.execute("DROP FUNCTION credit_entry_unsealed()")
    else:
        op.execute("DROP TRIGGER credit_entry_unsealed")
    op.drop_table('ledger_unsealed')
    op.drop_table('ledger_seal')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute("DROP FUNCTION ledger_seal_append_only()")
