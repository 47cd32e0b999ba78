"""Platform notices: where a host is asked for them, which came, and which course was copied from which.

Revision ID: 0036
Revises: 0035
"""

import sqlalchemy as sa
from alembic import op


revision = '0036'
down_revision = '0035'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('lti_platform', schema=None) as batch_op:
        batch_op.add_column(sa.Column('wants_notices', sa.Boolean(), nullable=False, server_default=sa.true()))
    with op.batch_alter_table('lti_platform', schema=None) as batch_op:
        batch_op.alter_column('wants_notices', existing_type=sa.Boolean(), server_default=None)
    with op.batch_alter_table('lti_deployment', schema=None) as batch_op:
        batch_op.add_column(sa.Column('notices_url', sa.String(length=1000), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('notice_types', sa.String(length=255), nullable=False, server_default=''))
    with op.batch_alter_table('lti_deployment', schema=None) as batch_op:
        batch_op.alter_column('notices_url', existing_type=sa.String(length=1000), server_default=None)
        batch_op.alter_column('notice_types', existing_type=sa.String(length=255), server_default=None)
    op.create_table(
        'lti_notice_service',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('deployment_id', sa.Integer(), nullable=False),
        sa.Column('url', sa.String(length=1000), nullable=False),
        sa.Column('registered', sa.String(length=255), nullable=False),
        sa.Column('tried_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('trouble', sa.String(length=64), nullable=False),
        sa.Column('words', sa.String(length=300), nullable=False),
        sa.Column('greeted_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('heard_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['deployment_id'], ['lti_deployment.id']),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id']),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('deployment_id'),
    )
    op.create_index('ix_lti_notice_service_tenant_id', 'lti_notice_service', ['tenant_id'])
    op.create_table(
        'lti_platform_notice',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('platform_id', sa.Integer(), nullable=False),
        sa.Column('notice_id', sa.String(length=255), nullable=False),
        sa.Column('kind', sa.String(length=100), nullable=False),
        sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['platform_id'], ['lti_platform.id']),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('platform_id', 'notice_id'),
    )
    op.create_index('ix_lti_platform_notice_received_at', 'lti_platform_notice', ['received_at'])
    op.create_table(
        'lti_context_copy',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('deployment_id', sa.Integer(), nullable=False),
        sa.Column('context_id', sa.String(length=255), nullable=False),
        sa.Column('origins', sa.JSON(), nullable=False),
        sa.Column('copied_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['deployment_id'], ['lti_deployment.id']),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id']),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('deployment_id', 'context_id'),
    )
    op.create_index('ix_lti_context_copy_tenant_id', 'lti_context_copy', ['tenant_id'])


def downgrade() -> None:
    op.drop_table('lti_context_copy')
    op.drop_table('lti_platform_notice')
    op.drop_table('lti_notice_service')
    with op.batch_alter_table('lti_deployment', schema=None) as batch_op:
        batch_op.drop_column('notice_types')
        batch_op.drop_column('notices_url')
    with op.batch_alter_table('lti_platform', schema=None) as batch_op:
        batch_op.drop_column('wants_notices')
