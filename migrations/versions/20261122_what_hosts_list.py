"""Whom hosts list in their courses, the groups there, and whether a launch named its person.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op


revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('host_list',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('course_id', sa.Integer(), nullable=False),
    sa.Column('tried_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('read_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('whole_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('error', sa.String(length=64), nullable=False),
    sa.Column('words', sa.String(length=300), nullable=False),
    sa.Column('differences_url', sa.String(length=1000), nullable=False),
    sa.Column('groups_error', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['course_id'], ['course.id'], name=op.f('fk_host_list_course_id_course')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_host_list')),
    sa.UniqueConstraint('course_id', name=op.f('uq_host_list_course_id'))
    )
    op.create_table('listed_group',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('course_id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('set_name', sa.String(length=200), nullable=False),
    sa.Column('absent_since_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['course_id'], ['course.id'], name=op.f('fk_listed_group_course_id_course')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_listed_group')),
    sa.UniqueConstraint('course_id', 'key', name=op.f('uq_listed_group_course_id_key'))
    )
    op.create_table('listed_member',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('course_id', sa.Integer(), nullable=False),
    sa.Column('subject', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('roles', sa.JSON(), nullable=False),
    sa.Column('is_learner', sa.Boolean(), nullable=False),
    sa.Column('is_instructor', sa.Boolean(), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('groups', sa.JSON(), nullable=False),
    sa.Column('first_seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('absent_since_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['course_id'], ['course.id'], name=op.f('fk_listed_member_course_id_course')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_listed_member')),
    sa.UniqueConstraint('course_id', 'subject', name=op.f('uq_listed_member_course_id_subject'))
    )
    with op.batch_alter_table('course', schema=None) as batch_op:
        batch_op.add_column(sa.Column('groups_url', sa.String(length=1000), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('group_sets_url', sa.String(length=1000), nullable=False, server_default=''))

    with op.batch_alter_table('course_member', schema=None) as batch_op:
        batch_op.add_column(sa.Column('has_name', sa.Boolean(), nullable=True))


def downgrade() -> None:
    # Not in a batch: SQLite would make these tables anew, and rows of others point at them.
    op.drop_column('course_member', 'has_name')
    op.drop_column('course', 'group_sets_url')
    op.drop_column('course', 'groups_url')
    op.drop_table('listed_member')
    op.drop_table('listed_group')
    op.drop_table('host_list')
