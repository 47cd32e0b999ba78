"""Seals of units: their pictures, each use of them, and a role for whoever has them.

Revision ID: 0031
Revises: 0030
"""

import sqlalchemy as sa
from alembic import op


revision = '0031'
down_revision = '0030'
branch_labels = None
depends_on = None

ROLES = ('teacher', 'trainer', 'school_lead', 'officer', 'it', 'auditor', 'panel')
TABLES = ('unit_seal', 'seal_use')


def allow(kinds: 'tuple[str, ...]') -> None:
    """The kinds that a role and an invitation may be of."""
    listed = ', '.join(f"'{kind}'" for kind in kinds)
    for name in ('role', 'invitation'):
        check = f'ck_{name}_rolekind'
        with op.batch_alter_table(name, schema=None) as batch_op:
            batch_op.drop_constraint(op.f(check), type_='check')
            batch_op.create_check_constraint(op.f(check), f'kind IN ({listed})')


def refusing(name: str) -> 'dict[str, list[str]]':
    """By dialect, the triggers that keep a table append-only."""
    return {
        'sqlite': [
            f"CREATE TRIGGER {name}_no_{act.lower()} BEFORE {act} ON {name} "
            f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
            for act in ('UPDATE', 'DELETE')
        ],
        'postgresql': [
            f"CREATE OR REPLACE FUNCTION {name}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{name} is append-only'; END $$",
            f"CREATE TRIGGER {name}_no_change BEFORE UPDATE OR DELETE ON {name} "
            f"FOR EACH ROW EXECUTE FUNCTION {name}_append_only()",
            f"CREATE TRIGGER {name}_no_truncate BEFORE TRUNCATE ON {name} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_append_only()",
        ],
    }


def upgrade() -> None:
    allow((*ROLES, 'seal'))
    op.create_table(
        'unit_seal',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('org_unit_id', sa.Integer(), nullable=False),
        sa.Column('image', sa.LargeBinary(), nullable=False),
        sa.Column('sha256', sa.String(length=64), nullable=False),
        sa.Column('put_by_id', sa.Integer(), nullable=False),
        sa.Column('put_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_unit_seal_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['org_unit_id'], ['org_unit.id'], name=op.f('fk_unit_seal_org_unit_id_org_unit')),
        sa.ForeignKeyConstraint(['put_by_id'], ['person.id'], name=op.f('fk_unit_seal_put_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_unit_seal')),
        sa.UniqueConstraint('uuid', name=op.f('uq_unit_seal_uuid')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_unit_seal_tenant_id_id')),
    )
    op.create_index(op.f('ix_unit_seal_tenant_id'), 'unit_seal', ['tenant_id'])
    op.create_index(op.f('ix_unit_seal_org_unit_id'), 'unit_seal', ['org_unit_id'])
    op.create_table(
        'seal_use',
        sa.Column('certificate_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('unit_seal_id', sa.Integer(), nullable=False),
        sa.Column('used_by_id', sa.Integer(), nullable=False),
        sa.Column('used_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ['certificate_id'], ['certificate.id'], name=op.f('fk_seal_use_certificate_id_certificate')
        ),
        sa.ForeignKeyConstraint(['unit_seal_id'], ['unit_seal.id'], name=op.f('fk_seal_use_unit_seal_id_unit_seal')),
        sa.ForeignKeyConstraint(['used_by_id'], ['person.id'], name=op.f('fk_seal_use_used_by_id_person')),
        sa.PrimaryKeyConstraint('certificate_id', name=op.f('pk_seal_use')),
    )
    op.create_index(op.f('ix_seal_use_unit_seal_id'), 'seal_use', ['unit_seal_id'])
    for name in TABLES:
        for statement in refusing(name)[op.get_bind().dialect.name]:
            op.execute(statement)


def downgrade() -> None:
    for name in ('seal_use', 'unit_seal'):
        op.drop_table(name)
        if op.get_bind().dialect.name == 'postgresql':
            op.execute(f"DROP FUNCTION {name}_append_only()")
    op.execute("DELETE FROM role WHERE kind = 'seal'")
    op.execute("DELETE FROM invitation WHERE kind = 'seal'")
    allow(ROLES)
