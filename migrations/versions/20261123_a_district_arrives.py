"""A district arrives: archives that the worker takes in. Jobs may be the installation's own, of no district.

Revision ID: 0042
Revises: 0041
"""

import sqlalchemy as sa
from alembic import op


revision = '0042'
down_revision = '0041'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('job', schema=None) as batch_op:
        batch_op.alter_column('tenant_id', existing_type=sa.Integer(), nullable=True)
    op.create_table(
        'archive_intake',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('code_hash', sa.String(length=64), nullable=False),
        sa.Column('path', sa.String(length=1000), nullable=False),
        sa.Column('manifest_hash', sa.String(length=64), nullable=False),
        sa.Column('name', sa.String(length=200), nullable=False),
        sa.Column('with_faults', sa.Boolean(), nullable=False),
        sa.Column(
            'state',
            sa.Enum(
                'waiting', 'checking', 'files', 'records', 'done', 'cancelled', 'failed',
                name='intakestate', native_enum=False, length=32, create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column('file_mark', sa.String(length=100), nullable=False),
        sa.Column('checked_to', sa.String(length=200), nullable=False),
        sa.Column('rows', sa.Integer(), nullable=False),
        sa.Column('all_rows', sa.Integer(), nullable=False),
        sa.Column('files', sa.Integer(), nullable=False),
        sa.Column('all_files', sa.Integer(), nullable=False),
        sa.Column('bytes', sa.BigInteger(), nullable=False),
        sa.Column('all_bytes', sa.BigInteger(), nullable=False),
        sa.Column('faults', sa.Integer(), nullable=False),
        sa.Column('problem', sa.String(length=64), nullable=False),
        sa.Column('problem_params', sa.JSON(), nullable=False),
        sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_archive_intake')),
        sa.UniqueConstraint('code_hash', name=op.f('uq_archive_intake_code_hash')),
    )
    op.create_index(op.f('ix_archive_intake_manifest_hash'), 'archive_intake', ['manifest_hash'])


def downgrade() -> None:
    op.drop_table('archive_intake')
    op.execute("DELETE FROM job WHERE tenant_id IS NULL")
    with op.batch_alter_table('job', schema=None) as batch_op:
        batch_op.alter_column('tenant_id', existing_type=sa.Integer(), nullable=False)
