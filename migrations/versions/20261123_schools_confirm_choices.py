"""确认选点: what schools said of choices of points; which programmes ask for it.

Revision ID: 0068
Revises: 0067
"""

import sqlalchemy as sa
from alembic import op


revision = '0068'
down_revision = '0067'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'choice_confirmation',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('points', sa.JSON(), nullable=False),
        sa.Column('is_confirmed', sa.Boolean(), nullable=False),
        sa.Column('reason', sa.String(length=300), nullable=False),
        sa.Column('said_by_id', sa.Integer(), nullable=False),
        sa.Column('said_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ['programme_id'], ['programme.id'], name=op.f('fk_choice_confirmation_programme_id_programme')
        ),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_choice_confirmation_person_id_person')),
        sa.ForeignKeyConstraint(['said_by_id'], ['person.id'], name=op.f('fk_choice_confirmation_said_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_choice_confirmation')),
    )
    op.create_index('ix_choice_confirmation_person', 'choice_confirmation', ['programme_id', 'person_id'])
    for statement in _refusing('choice_confirmation'):
        op.execute(statement)
    with op.batch_alter_table('programme', schema=None) as batch_op:
        batch_op.add_column(sa.Column('school_confirms', sa.Boolean(), server_default=sa.false(), nullable=False))
    with op.batch_alter_table('programme', schema=None) as batch_op:
        batch_op.alter_column('school_confirms', existing_type=sa.Boolean(), server_default=None)


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
    with op.batch_alter_table('programme', schema=None) as batch_op:
        batch_op.drop_column('school_confirms')
    op.drop_table('choice_confirmation')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute('DROP FUNCTION choice_confirmation_append_only()')
