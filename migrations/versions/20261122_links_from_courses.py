"""What a host asks to put into its course (Deep Linking), and what a launched link was made for.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('link_request',
    sa.Column('uuid', sa.String(length=32), nullable=False),
    sa.Column('tenant_id', sa.Integer(), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('deployment_id', sa.Integer(), nullable=False),
    sa.Column('course_id', sa.Integer(), nullable=False),
    sa.Column('person_id', sa.Integer(), nullable=False),
    sa.Column('return_url', sa.String(length=2000), nullable=False),
    sa.Column('data', sa.Text(), nullable=True),
    sa.Column('takes_many', sa.Boolean(), nullable=False),
    sa.Column('takes_column', sa.Boolean(), nullable=False),
    sa.Column('items', sa.JSON(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['course_id'], ['course.id'], name=op.f('fk_link_request_course_id_course')),
    sa.ForeignKeyConstraint(['deployment_id'], ['lti_deployment.id'], name=op.f('fk_link_request_deployment_id_lti_deployment')),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_link_request_person_id_person')),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_link_request_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_link_request')),
    sa.UniqueConstraint('uuid', name=op.f('uq_link_request_uuid'))
    )
    with op.batch_alter_table('link_request', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_link_request_person_id'), ['person_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_link_request_tenant_id'), ['tenant_id'], unique=False)

    with op.batch_alter_table('web_session', schema=None) as batch_op:
        batch_op.add_column(sa.Column('wants', sa.String(length=260), nullable=False, server_default=''))



def downgrade() -> None:
    with op.batch_alter_table('web_session', schema=None) as batch_op:
        batch_op.drop_column('wants')

    with op.batch_alter_table('link_request', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_link_request_tenant_id'))
        batch_op.drop_index(batch_op.f('ix_link_request_person_id'))

    op.drop_table('link_request')
