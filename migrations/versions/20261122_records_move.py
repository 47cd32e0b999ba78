"""转出, 转入: a person's record moves from one district to another.

Revision ID: 0037
Revises: 0036
"""

import sqlalchemy as sa
from alembic import op


revision = '0037'
down_revision = '0036'
branch_labels = None
depends_on = None


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


NEVER_CHANGED = refusing('transfer_event')
LEAVING = ('asked', 'declined', 'withdrawn', 'released', 'handed', 'arrived', 'returned')


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    op.create_table(
        'transfer_key',
        sa.Column('tenant_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('private_encrypted', sa.Text(), nullable=False),
        sa.Column('public_jwk', sa.JSON(), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_transfer_key_tenant_id_tenant')),
        sa.PrimaryKeyConstraint('tenant_id', name=op.f('pk_transfer_key'))
    )
    op.create_table(
        'transfer',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('org_unit_id', sa.Integer(), nullable=True),
        sa.Column('state', _one_of('transferstate', *LEAVING), nullable=False),
        sa.Column('to_code', sa.String(length=12), nullable=False),
        sa.Column('to_name', sa.String(length=200), nullable=False),
        sa.Column('is_local', sa.Boolean(), nullable=False),
        sa.Column('lines', sa.JSON(), nullable=False),
        sa.Column('manifest_hash', sa.String(length=64), nullable=False),
        sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['org_unit_id'], ['org_unit.id'], name=op.f('fk_transfer_org_unit_id_org_unit')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_transfer_person_id_person')),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_transfer_tenant_id_tenant')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_transfer')),
        sa.UniqueConstraint('uuid', name=op.f('uq_transfer_uuid'))
    )
    op.create_index(op.f('ix_transfer_org_unit_id'), 'transfer', ['org_unit_id'])
    op.create_index(op.f('ix_transfer_person_id'), 'transfer', ['person_id'])
    op.create_index(op.f('ix_transfer_tenant_id'), 'transfer', ['tenant_id'])
    op.create_index(op.f('ix_transfer_to_code'), 'transfer', ['to_code'])
    op.create_table(
        'arrival',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('org_unit_id', sa.Integer(), nullable=True),
        sa.Column('code', sa.String(length=12), nullable=False),
        sa.Column('state', _one_of('arrivalstate', 'open', 'waiting', 'accepted', 'refused', 'closed'), nullable=False),
        sa.Column('package', sa.String(length=32), nullable=True),
        sa.Column('from_name', sa.String(length=200), nullable=False),
        sa.Column('is_local', sa.Boolean(), nullable=False),
        sa.Column('manifest_hash', sa.String(length=64), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=True),
        sa.Column('taken', sa.JSON(), nullable=False),
        sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['org_unit_id'], ['org_unit.id'], name=op.f('fk_arrival_org_unit_id_org_unit')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_arrival_person_id_person')),
        sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_arrival_programme_id_programme')),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_arrival_tenant_id_tenant')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_arrival')),
        sa.UniqueConstraint('code', name=op.f('uq_arrival_code')),
        sa.UniqueConstraint('package', name=op.f('uq_arrival_package')),
        sa.UniqueConstraint('uuid', name=op.f('uq_arrival_uuid'))
    )
    op.create_index(op.f('ix_arrival_org_unit_id'), 'arrival', ['org_unit_id'])
    op.create_index(op.f('ix_arrival_person_id'), 'arrival', ['person_id'])
    op.create_index(op.f('ix_arrival_tenant_id'), 'arrival', ['tenant_id'])
    op.create_table(
        'transfer_event',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('transfer_id', sa.Integer(), nullable=True),
        sa.Column('arrival_id', sa.Integer(), nullable=True),
        sa.Column('what', sa.String(length=16), nullable=False),
        sa.Column('reason', sa.String(length=300), nullable=False),
        sa.Column('by_id', sa.Integer(), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['arrival_id'], ['arrival.id'], name=op.f('fk_transfer_event_arrival_id_arrival')),
        sa.ForeignKeyConstraint(['by_id'], ['person.id'], name=op.f('fk_transfer_event_by_id_person')),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_transfer_event_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['transfer_id'], ['transfer.id'], name=op.f('fk_transfer_event_transfer_id_transfer')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_transfer_event'))
    )
    op.create_index(op.f('ix_transfer_event_of'), 'transfer_event', ['transfer_id', 'arrival_id'])
    op.create_index(op.f('ix_transfer_event_tenant_id'), 'transfer_event', ['tenant_id'])
    op.create_table(
        'transfer_package',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('transfer_id', sa.Integer(), nullable=True),
        sa.Column('arrival_id', sa.Integer(), nullable=True),
        sa.Column('content', sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(['arrival_id'], ['arrival.id'], name=op.f('fk_transfer_package_arrival_id_arrival')),
        sa.ForeignKeyConstraint(['transfer_id'], ['transfer.id'], name=op.f('fk_transfer_package_transfer_id_transfer')),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_transfer_package_tenant_id_tenant')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_transfer_package')),
        sa.UniqueConstraint('arrival_id', name=op.f('uq_transfer_package_arrival_id')),
        sa.UniqueConstraint('transfer_id', name=op.f('uq_transfer_package_transfer_id'))
    )
    op.create_index(op.f('ix_transfer_package_tenant_id'), 'transfer_package', ['tenant_id'])
    for statement in NEVER_CHANGED[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    for name in ('transfer_package', 'transfer_event', 'arrival', 'transfer', 'transfer_key'):
        op.drop_table(name)
    if op.get_bind().dialect.name == 'postgresql':
        op.execute("DROP FUNCTION IF EXISTS transfer_event_append_only()")
