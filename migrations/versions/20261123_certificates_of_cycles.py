"""学时证明 of a whole cycle of years: several programmes on one paper.

Revision ID: 0069
Revises: 0068
"""

import sqlalchemy as sa
from alembic import op


revision = '0069'
down_revision = '0068'
branch_labels = None
depends_on = None

ONE_KIND = (
    '(programme_id IS NULL) = '
    '(first_year IS NOT NULL AND last_year IS NOT NULL AND issuer_unit_id IS NOT NULL AND parts IS NOT NULL)'
)
OF_CYCLES = 'SELECT id FROM certificate WHERE programme_id IS NULL'


def refusing(name: str) -> 'dict[str, list[str]]':
    """By dialect, the triggers that keep a table append-only; on PostgreSQL their functions stand already."""
    return {
        'sqlite': [
            f"CREATE TRIGGER {name}_no_{act.lower()} BEFORE {act} ON {name} "
            f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
            for act in ('UPDATE', 'DELETE')
        ],
        'postgresql': [
            f"CREATE TRIGGER {name}_no_change BEFORE UPDATE OR DELETE ON {name} "
            f"FOR EACH ROW EXECUTE FUNCTION {name}_append_only()",
        ],
    }


def letting(name: str) -> 'dict[str, list[str]]':
    """By dialect, what lets rows be deleted: only here, where the paper they belong to is not known any more."""
    return {
        'sqlite': [f'DROP TRIGGER IF EXISTS {name}_no_{act}' for act in ('update', 'delete')],
        'postgresql': [f'DROP TRIGGER {name}_no_change ON {name}'],
    }


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    with op.batch_alter_table('certificate', schema=None) as batch_op:
        batch_op.alter_column('programme_id', existing_type=sa.Integer(), nullable=True)
        batch_op.add_column(sa.Column('first_year', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('last_year', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('issuer_unit_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('parts', sa.JSON(), nullable=True))
        batch_op.create_foreign_key(
            op.f('fk_certificate_issuer_unit_id_org_unit'), 'org_unit', ['issuer_unit_id'], ['id']
        )
        batch_op.create_check_constraint(op.f('ck_certificate_one_kind'), ONE_KIND)
    op.create_index('ix_certificate_cycle', 'certificate', ['tenant_id', 'first_year', 'last_year'])
    if dialect == 'sqlite':  # it was rebuilt
        for statement in refusing('certificate')[dialect]:
            op.execute(statement)
    with op.batch_alter_table('certificate_bundle', schema=None) as batch_op:
        batch_op.alter_column('programme_id', existing_type=sa.Integer(), nullable=True)
        batch_op.add_column(sa.Column('first_year', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('last_year', sa.Integer(), nullable=True))


def downgrade() -> None:
    """Certificates of cycles go, with their ends and seals: the older product knows no such paper, and the hours on
    them stand in the ledger."""
    dialect = op.get_bind().dialect.name
    op.execute('DELETE FROM certificate_bundle WHERE programme_id IS NULL')
    with op.batch_alter_table('certificate_bundle', schema=None) as batch_op:
        batch_op.drop_column('last_year')
        batch_op.drop_column('first_year')
        batch_op.alter_column('programme_id', existing_type=sa.Integer(), nullable=False)
    for name, key in (('certificate_end', 'certificate_id'), ('seal_use', 'certificate_id'), ('certificate', 'id')):
        for statement in letting(name)[dialect]:
            op.execute(statement)
        op.execute(f'DELETE FROM {name} WHERE {key} IN ({OF_CYCLES})')
    op.drop_index('ix_certificate_cycle', 'certificate')
    with op.batch_alter_table('certificate', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('ck_certificate_one_kind'), type_='check')
        batch_op.drop_constraint(op.f('fk_certificate_issuer_unit_id_org_unit'), type_='foreignkey')
        for name in ('parts', 'issuer_unit_id', 'last_year', 'first_year'):
            batch_op.drop_column(name)
        batch_op.alter_column('programme_id', existing_type=sa.Integer(), nullable=False)
    for name in ('certificate_end', 'seal_use', 'certificate'):
        for statement in refusing(name)[dialect]:
            op.execute(statement)
