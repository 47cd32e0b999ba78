"""互评: who wants may claim a review that lacks somebody, or decline one with a reason; nobody reviews their own work.

Revision ID: 0057
Revises: 0056
"""

import sqlalchemy as sa
from alembic import op


revision = '0057'
down_revision = '0056'
branch_labels = None
depends_on = None

STATES, CHECK = ('allotted', 'open', 'submitted', 'recused', 'void'), 'ck_review_reviewstate'
WHYS = ('subject', 'time', 'other')
OWN_REVIEW_REFUSED = {
    'sqlite': [
        'CREATE TRIGGER review_not_own BEFORE INSERT ON review '
        'WHEN NEW.reviewer_id = (SELECT person_id FROM submission WHERE id = NEW.submission_id) '
        "BEGIN SELECT RAISE(ABORT, 'nobody reviews their own work'); END",
    ],
    'postgresql': [
        'CREATE OR REPLACE FUNCTION review_not_own() RETURNS trigger LANGUAGE plpgsql AS '
        '$$ BEGIN IF NEW.reviewer_id = (SELECT person_id FROM submission WHERE id = NEW.submission_id) THEN '
        "RAISE EXCEPTION 'nobody reviews their own work'; END IF; RETURN NEW; END $$",
        'CREATE TRIGGER review_not_own BEFORE INSERT ON review FOR EACH ROW EXECUTE FUNCTION review_not_own()',
    ],
}


def _in(values: tuple[str, ...]) -> str:
    return ', '.join(f"'{value}'" for value in values)


def upgrade() -> None:
    with op.batch_alter_table('review', schema=None) as batch_op:
        batch_op.add_column(sa.Column('is_claimed', sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column('decline', sa.String(length=32), nullable=True))
        batch_op.create_check_constraint(op.f('ck_review_decline'), f'decline IN ({_in(WHYS)})')
        batch_op.drop_constraint(op.f(CHECK), type_='check')
        batch_op.create_check_constraint(op.f(CHECK), f"state IN ({_in((*STATES, 'declined'))})")
    with op.batch_alter_table('review', schema=None) as batch_op:
        batch_op.alter_column('is_claimed', existing_type=sa.Boolean(), server_default=None)
    for statement in OWN_REVIEW_REFUSED.get(op.get_bind().dialect.name, ()):
        op.execute(statement)
    op.create_table(
        'review_need',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('submission_id', sa.Integer(), nullable=False),
        sa.Column('submission_version_id', sa.Integer(), nullable=False),
        sa.Column('author_id', sa.Integer(), nullable=False),
        sa.Column('org_unit_id', sa.Integer(), nullable=True),
        sa.Column('pool', sa.Integer(), nullable=True),
        sa.Column('wanted', sa.Integer(), nullable=False),
        sa.Column('lease_hours', sa.Integer(), nullable=False),
        sa.Column('need', sa.Integer(), nullable=False),
        sa.Column('prio', sa.Integer(), nullable=False),
        sa.CheckConstraint('need >= 0', name=op.f('ck_review_need_need')),
        sa.ForeignKeyConstraint(['author_id'], ['person.id'], name=op.f('fk_review_need_author_id_person')),
        sa.ForeignKeyConstraint(['org_unit_id'], ['org_unit.id'], name=op.f('fk_review_need_org_unit_id_org_unit')),
        sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_review_need_programme_id_programme')),
        sa.ForeignKeyConstraint(
            ['submission_id'], ['submission.id'], name=op.f('fk_review_need_submission_id_submission')
        ),
        sa.ForeignKeyConstraint(
            ['submission_version_id'],
            ['submission_version.id'],
            name=op.f('fk_review_need_submission_version_id_submission_version'),
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_review_need')),
        sa.UniqueConstraint('submission_version_id', name=op.f('uq_review_need_submission_version_id')),
    )
    op.create_index(op.f('ix_review_need_submission_id'), 'review_need', ['submission_id'])
    op.create_index(
        'ix_review_need_open',
        'review_need',
        ['programme_id', 'pool', 'need', 'prio'],
        postgresql_where=sa.text('need > 0'),
        sqlite_where=sa.text('need > 0'),
    )


def downgrade() -> None:
    op.drop_table('review_need')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute('DROP TRIGGER review_not_own ON review')
        op.execute('DROP FUNCTION review_not_own')
    else:
        op.execute('DROP TRIGGER review_not_own')
    # Who declined had stepped back, as far as the older tables can say it.
    op.execute("UPDATE review SET state = 'recused' WHERE state = 'declined'")
    with op.batch_alter_table('review', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('ck_review_decline'), type_='check')
        batch_op.drop_column('decline')
        batch_op.drop_column('is_claimed')
        batch_op.drop_constraint(op.f(CHECK), type_='check')
        batch_op.create_check_constraint(op.f(CHECK), f'state IN ({_in(STATES)})')
