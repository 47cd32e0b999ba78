"""评审留痕: what happened to a review is never changed and never deleted.

Revision ID: 0052
Revises: 0051
"""

from alembic import op


revision = '0052'
down_revision = '0051'
branch_labels = None
depends_on = None

UP = {
    'sqlite': [
        f"CREATE TRIGGER review_event_no_{act.lower()} BEFORE {act} ON review_event "
        "BEGIN SELECT RAISE(ABORT, 'review_event is append-only'); END"
        for act in ('UPDATE', 'DELETE')
    ],
    'postgresql': [
        "CREATE OR REPLACE FUNCTION review_event_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'review_event is append-only'; END $$",
        "CREATE TRIGGER review_event_no_change BEFORE UPDATE OR DELETE ON review_event "
        "FOR EACH ROW EXECUTE FUNCTION review_event_append_only()",
        "CREATE TRIGGER review_event_no_truncate BEFORE TRUNCATE ON review_event "
        "FOR EACH STATEMENT EXECUTE FUNCTION review_event_append_only()",
    ],
}
DOWN = {
    'sqlite': [f"DROP TRIGGER review_event_no_{act}" for act in ('update', 'delete')],
    'postgresql': [
        "DROP TRIGGER review_event_no_truncate ON review_event",
        "DROP TRIGGER review_event_no_change ON review_event",
        "DROP FUNCTION review_event_append_only()",
    ],
}


def upgrade() -> None:
    for statement in UP[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN[op.get_bind().dialect.name]:
        op.execute(statement)
