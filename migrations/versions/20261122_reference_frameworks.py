"""Reference frameworks, links of points to their items, and what became of standards.

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op


revision = '0034'
down_revision = '0033'
branch_labels = None
depends_on = None

APPEND_ONLY = ('reference_version', 'framework_event')
COLUMNS = {
    'reference_version': [
        ('code', sa.String(length=100), False),
        ('number', sa.Integer(), False),
        ('title', sa.JSON(), False),
        ('short', sa.String(length=60), False),
        ('publisher', sa.String(length=500), False),
        ('licence', sa.String(length=500), False),
        ('items', sa.Integer(), False),
        ('content', sa.JSON(), False),
        ('content_hash', sa.String(length=64), False),
        ('taken_in_by_id', sa.Integer(), True),
        ('taken_in_at', sa.DateTime(timezone=True), False),
    ],
    'crosswalk_link': [
        ('version', sa.Integer(), False),
        ('framework_id', sa.Integer(), False),
        ('point_code', sa.String(length=32), False),
        ('reference_code', sa.String(length=100), False),
        ('item_code', sa.String(length=100), False),
        ('item_identifier', sa.String(length=36), False),
        ('words', sa.JSON(), False),
        ('kind', sa.String(length=32), False),
        (
            'state',
            sa.Enum(
                'proposed',
                'confirmed',
                'dropped',
                name='linkstate',
                native_enum=False,
                length=32,
                create_constraint=True,
            ),
            False,
        ),
        ('source', sa.JSON(), False),
        ('decided_by_id', sa.Integer(), True),
        ('decided_at', sa.DateTime(timezone=True), False),
    ],
    'framework_event': [
        ('code', sa.String(length=100), False),
        ('kind', sa.String(length=32), False),
        ('details', sa.JSON(), False),
        ('by_id', sa.Integer(), True),
        ('at', sa.DateTime(timezone=True), False),
    ],
}
OTHERS = {
    'reference_version': [('taken_in_by_id', 'person')],
    'crosswalk_link': [('framework_id', 'competency_framework'), ('decided_by_id', 'person')],
    'framework_event': [('by_id', 'person')],
}
UNIQUE = {
    'reference_version': {'tenant_id_code_number': ('tenant_id', 'code', 'number')},
    'crosswalk_link': {'ends': ('framework_id', 'point_code', 'reference_code', 'item_code')},
    'framework_event': {},
}


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        op.create_table(
            table,
            sa.Column('uuid', sa.String(length=32), nullable=False),
            sa.Column('tenant_id', sa.Integer(), nullable=False),
            sa.Column('id', sa.Integer(), nullable=False),
            *(sa.Column(name, kind, nullable=nullable) for name, kind, nullable in columns),
            *(
                sa.ForeignKeyConstraint([column], [f'{other}.id'], name=op.f(f'fk_{table}_{column}_{other}'))
                for column, other in [('tenant_id', 'tenant'), *OTHERS[table]]
            ),
            sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{table}')),
            *(
                sa.UniqueConstraint(*names, name=op.f(f'uq_{table}_{ending}'))
                for ending, names in {'uuid': ('uuid',), 'tenant_id_id': ('tenant_id', 'id'), **UNIQUE[table]}.items()
            ),
        )
        op.create_index(op.f(f'ix_{table}_tenant_id'), table, ['tenant_id'])
    for table in APPEND_ONLY:
        for statement in _refusing(table):
            op.execute(statement)


def _refusing(table: str) -> list[str]:
    if op.get_bind().dialect.name == 'sqlite':
        return [
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            for act in ('UPDATE', 'DELETE')
        ]
    return [
        f"CREATE OR REPLACE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$",
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_append_only()",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()",
    ]


def downgrade() -> None:
    for table in reversed(COLUMNS):
        op.drop_table(table)
        if table in APPEND_ONLY and op.get_bind().dialect.name == 'postgresql':
            op.execute(f"DROP FUNCTION {table}_append_only()")
