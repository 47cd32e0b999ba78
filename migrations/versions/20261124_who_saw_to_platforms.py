"""Who saw to a registration, and deployments that are let in no more.

Revision ID: 0076
Revises: 0075
"""

import sqlalchemy as sa
from alembic import op


revision = '0076'
down_revision = '0075'
branch_labels = None
depends_on = None

ACTS = (
    *('added', 'registered', 'renewed', 'changed', 'disabled', 'enabled', 'approved', 'withdrawn'),
    *('look_on', 'look_off', 'notices_on', 'notices_off'),
)


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
    with op.batch_alter_table('lti_deployment', schema=None) as batch_op:
        batch_op.add_column(sa.Column('is_withdrawn', sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table('lti_deployment', schema=None) as batch_op:
        batch_op.alter_column('is_withdrawn', existing_type=sa.Boolean(), server_default=None)
    op.create_table(
        'platform_event',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('platform_id', sa.Integer(), nullable=False),
        sa.Column(
            'act',
            sa.Enum(*ACTS, name='platformact', native_enum=False, length=32, create_constraint=True),
            nullable=False,
        ),
        sa.Column('detail', sa.String(length=255), nullable=False),
        sa.Column('by_id', sa.Integer(), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_platform_event_tenant_id_tenant')),
        sa.ForeignKeyConstraint(
            ['platform_id'], ['lti_platform.id'], name=op.f('fk_platform_event_platform_id_lti_platform')
        ),
        sa.ForeignKeyConstraint(['by_id'], ['person.id'], name=op.f('fk_platform_event_by_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_platform_event')),
    )
    op.create_index(op.f('ix_platform_event_tenant_id'), 'platform_event', ['tenant_id'])
    op.create_index(op.f('ix_platform_event_platform_id'), 'platform_event', ['platform_id'])
    for statement in refusing('platform_event')[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table('platform_event')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute("DROP FUNCTION platform_event_append_only()")
    with op.batch_alter_table('lti_deployment', schema=None) as batch_op:
        batch_op.drop_column('is_withdrawn')
