"""What became of the points of one version of a framework in another one.

Revision ID: 0029
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op


revision = '0029'
down_revision = '0028'
branch_labels = None
depends_on = None

TABLE = 'framework_succession'


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('old_version_id', sa.Integer(), nullable=False),
        sa.Column('new_version_id', sa.Integer(), nullable=False),
        sa.Column('points', sa.JSON(), nullable=False),
        sa.Column('decided_by_id', sa.Integer(), nullable=True),
        sa.Column('decided_at', sa.DateTime(timezone=True), nullable=False),
        *(
            sa.ForeignKeyConstraint([column], [f'{other}.id'], name=op.f(f'fk_{TABLE}_{column}_{other}'))
            for column, other in (
                ('tenant_id', 'tenant'),
                ('old_version_id', 'framework_version'),
                ('new_version_id', 'framework_version'),
                ('decided_by_id', 'person'),
            )
        ),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{TABLE}')),
        sa.UniqueConstraint('old_version_id', 'new_version_id', name=op.f(f'uq_{TABLE}_old_version_id_new_version_id')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f(f'uq_{TABLE}_tenant_id_id')),
        sa.UniqueConstraint('uuid', name=op.f(f'uq_{TABLE}_uuid')),
    )
    op.create_index(op.f(f'ix_{TABLE}_tenant_id'), TABLE, ['tenant_id'])
    op.create_index(op.f(f'ix_{TABLE}_new_version_id'), TABLE, ['new_version_id'])


def downgrade() -> None:
    op.drop_table(TABLE)
