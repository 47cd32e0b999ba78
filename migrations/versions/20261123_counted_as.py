"""As whom somebody was counted when points brought them hours: the category, from when on. Append-only.

Nobody wrote it down before. Who holds points in a programme whose rules differ by category is noted as of the category
that the roster names on the day of this migration, from their first award on: no paper says another one.

Revision ID: 0050
Revises: 0049
"""

import sqlalchemy as sa
from alembic import op


revision = '0050'
down_revision = '0049'
branch_labels = None
depends_on = None

CATEGORIES = ('teacher', 'backbone', 'coach', 'manager', 'principal')


def upgrade() -> None:
    listed = ', '.join(f"'{category}'" for category in CATEGORIES)
    op.create_table(
        'counted_as',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('category', sa.String(length=32), nullable=True),
        sa.Column('since_at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(f'category IN ({listed})', name=op.f('ck_counted_as_category')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_counted_as_person_id_person')),
        sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_counted_as_programme_id_programme')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_counted_as')),
    )
    op.create_index('ix_counted_as_person', 'counted_as', ['programme_id', 'person_id'])
    _note_who_holds_points()
    for statement in _refusing('counted_as'):
        op.execute(statement)


def _note_who_holds_points() -> None:
    policy = sa.table('programme_policy', sa.column('programme_id', sa.Integer), sa.column('rules', sa.JSON))
    award = sa.table(
        'award',
        sa.column('programme_id', sa.Integer),
        sa.column('person_id', sa.Integer),
        sa.column('awarded_at', sa.DateTime(timezone=True)),
    )
    person = sa.table('person', sa.column('id', sa.Integer), sa.column('merged_into_id', sa.Integer))
    roster = sa.table(
        'roster_entry',
        sa.column('person_id', sa.Integer),
        sa.column('category', sa.String),
        sa.column('removed_at', sa.DateTime(timezone=True)),
    )
    counted = sa.table(
        'counted_as',
        sa.column('programme_id', sa.Integer),
        sa.column('person_id', sa.Integer),
        sa.column('category', sa.String),
        sa.column('since_at', sa.DateTime(timezone=True)),
    )
    bind = op.get_bind()
    differing = {row.programme_id for row in bind.execute(sa.select(policy)) if row.rules.get('categories')}
    if not differing:
        return
    today = {row.id: row.merged_into_id or row.id for row in bind.execute(sa.select(person))}
    listed = bind.execute(sa.select(roster).where(roster.c.removed_at.is_(None), roster.c.person_id.is_not(None)))
    said = {today[row.person_id]: row.category or 'teacher' for row in listed}
    firsts = bind.execute(
        sa.select(award.c.programme_id, award.c.person_id, sa.func.min(award.c.awarded_at).label('first_at'))
        .where(award.c.programme_id.in_(differing))
        .group_by(award.c.programme_id, award.c.person_id)
        .order_by(award.c.programme_id, award.c.person_id)
    ).all()
    rows = [
        {
            'programme_id': row.programme_id,
            'person_id': row.person_id,
            'category': said.get(today[row.person_id]),
            'since_at': row.first_at,
        }
        for row in firsts
    ]
    if rows:
        op.bulk_insert(counted, rows)


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
    op.drop_table('counted_as')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute('DROP FUNCTION counted_as_append_only()')
