"""Weights of criteria; works that are judged by a later rubric version; marks that stand no more.

Revision ID: 0055
Revises: 0054
"""

import sqlalchemy as sa
from alembic import op


revision = '0055'
down_revision = '0054'
branch_labels = None
depends_on = None


def refusing(name: str) -> dict[str, list[str]]:
    """By dialect, the triggers that refuse UPDATE and DELETE (and TRUNCATE); as `lms_plugin.append_only`."""
    return {
        "sqlite": [
            f"CREATE TRIGGER {name}_no_{act.lower()} BEFORE {act} ON {name} "
            f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
            for act in ("UPDATE", "DELETE")
        ],
        "postgresql": [
            f"CREATE OR REPLACE FUNCTION {name}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{name} is append-only'; END $$",
            f"CREATE TRIGGER {name}_no_change BEFORE UPDATE OR DELETE ON {name} "
            f"FOR EACH ROW EXECUTE FUNCTION {name}_append_only()",
            f"CREATE TRIGGER {name}_no_truncate BEFORE TRUNCATE ON {name} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_append_only()",
        ],
    }


def upgrade() -> None:
    # No batch: SQLite would make the table anew, without the triggers that guard it.
    op.add_column('criterion', sa.Column('weight', sa.Integer(), nullable=True))
    op.create_table(
        'judged_by',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('submission_version_id', sa.Integer(), nullable=False),
        sa.Column('requirement_id', sa.Integer(), nullable=False),
        sa.Column('rubric_version_id', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ['submission_version_id'], ['submission_version.id'],
            name=op.f('fk_judged_by_submission_version_id_submission_version'),
        ),
        sa.ForeignKeyConstraint(
            ['requirement_id'], ['evidence_requirement.id'], name=op.f('fk_judged_by_requirement_id_evidence_requirement')
        ),
        sa.ForeignKeyConstraint(
            ['rubric_version_id'], ['rubric_version.id'], name=op.f('fk_judged_by_rubric_version_id_rubric_version')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_judged_by')),
        sa.UniqueConstraint(
            'submission_version_id', 'requirement_id', name=op.f('uq_judged_by_submission_version_id_requirement_id')
        ),
    )
    op.create_table(
        'mark_before',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('review_id', sa.Integer(), nullable=False),
        sa.Column('rubric_version_id', sa.Integer(), nullable=False),
        sa.Column('requirement_key', sa.String(length=64), nullable=False),
        sa.Column('criterion_key', sa.String(length=64), nullable=False),
        sa.Column('level', sa.Integer(), nullable=True),
        sa.Column('reason', sa.String(length=4000), nullable=False),
        sa.Column('set_aside_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['review_id'], ['review.id'], name=op.f('fk_mark_before_review_id_review')),
        sa.ForeignKeyConstraint(
            ['rubric_version_id'], ['rubric_version.id'], name=op.f('fk_mark_before_rubric_version_id_rubric_version')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_mark_before')),
    )
    op.create_index(op.f('ix_mark_before_review_id'), 'mark_before', ['review_id'])
    for statement in refusing('mark_before')[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table('mark_before')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute("DROP FUNCTION mark_before_append_only()")
    op.drop_table('judged_by')
    op.drop_column('criterion', 'weight')
