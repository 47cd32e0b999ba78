"""学时证明: certificates of hours, their ends, and how a programme gives them.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op


revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None

TABLES = ('certificate', 'certificate_end', 'certificate_terms')


def refusing(name: str) -> dict[str, list[str]]:
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
    op.create_table(
        'certificate',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('code', sa.String(length=12), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('org_unit_id', sa.Integer(), nullable=True),
        sa.Column('name', sa.String(length=100), nullable=False),
        sa.Column('staff_number', sa.String(length=64), nullable=False),
        sa.Column('school', sa.String(length=200), nullable=False),
        sa.Column('title', sa.String(length=200), nullable=False),
        sa.Column('issuer', sa.String(length=200), nullable=False),
        sa.Column('paper', sa.String(length=100), nullable=False),
        sa.Column('hours', sa.JSON(), nullable=False),
        sa.Column('entries', sa.JSON(), nullable=False),
        sa.Column('seal_number', sa.Integer(), nullable=False),
        sa.Column('seal_hash', sa.String(length=64), nullable=False),
        sa.Column('issued_by_id', sa.Integer(), nullable=False),
        sa.Column('issued_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_certificate_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_certificate_programme_id_programme')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_certificate_person_id_person')),
        sa.ForeignKeyConstraint(['org_unit_id'], ['org_unit.id'], name=op.f('fk_certificate_org_unit_id_org_unit')),
        sa.ForeignKeyConstraint(['issued_by_id'], ['person.id'], name=op.f('fk_certificate_issued_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_certificate')),
        sa.UniqueConstraint('uuid', name=op.f('uq_certificate_uuid')),
        sa.UniqueConstraint('code', name=op.f('uq_certificate_code')),
        sa.UniqueConstraint('tenant_id', 'number', name=op.f('uq_certificate_tenant_id_number')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_certificate_tenant_id_id')),
    )
    op.create_index(op.f('ix_certificate_tenant_id'), 'certificate', ['tenant_id'])
    op.create_index(op.f('ix_certificate_person_id'), 'certificate', ['person_id'])
    op.create_index('ix_certificate_person', 'certificate', ['programme_id', 'person_id'])
    op.create_table(
        'certificate_end',
        sa.Column('certificate_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('followed_by_id', sa.Integer(), nullable=True),
        sa.Column('reason', sa.String(length=300), nullable=False),
        sa.Column('ended_by_id', sa.Integer(), nullable=False),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ['certificate_id'], ['certificate.id'], name=op.f('fk_certificate_end_certificate_id_certificate')
        ),
        sa.ForeignKeyConstraint(
            ['followed_by_id'], ['certificate.id'], name=op.f('fk_certificate_end_followed_by_id_certificate')
        ),
        sa.ForeignKeyConstraint(['ended_by_id'], ['person.id'], name=op.f('fk_certificate_end_ended_by_id_person')),
        sa.PrimaryKeyConstraint('certificate_id', name=op.f('pk_certificate_end')),
    )
    op.create_table(
        'certificate_terms',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('paper', sa.String(length=100), nullable=False),
        sa.Column('is_self_service', sa.Boolean(), nullable=False),
        sa.Column('set_by_id', sa.Integer(), nullable=False),
        sa.Column('set_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ['programme_id'], ['programme.id'], name=op.f('fk_certificate_terms_programme_id_programme')
        ),
        sa.ForeignKeyConstraint(['set_by_id'], ['person.id'], name=op.f('fk_certificate_terms_set_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_certificate_terms')),
    )
    op.create_index(op.f('ix_certificate_terms_programme_id'), 'certificate_terms', ['programme_id'])
    for name in TABLES:
        for statement in refusing(name)[op.get_bind().dialect.name]:
            op.execute(statement)


def downgrade() -> None:
    for name in ('certificate_end', 'certificate_terms', 'certificate'):
        op.drop_table(name)
        if op.get_bind().dialect.name == 'postgresql':
            op.execute(f"DROP FUNCTION {name}_append_only()")
