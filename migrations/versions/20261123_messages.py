"""People are told what needs an act of theirs, in the tool and by letter.

Revision ID: 0060
Revises: 0059
"""

import sqlalchemy as sa
from alembic import op


revision = '0060'
down_revision = '0059'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'message',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('kind', sa.String(length=32), nullable=False),
        sa.Column('key', sa.String(length=64), nullable=False),
        sa.Column('params', sa.JSON(), nullable=False),
        sa.Column('raised_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('read_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('mailed_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_message_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_message_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_message')),
        sa.UniqueConstraint('uuid', name=op.f('uq_message_uuid')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_message_tenant_id_id')),
        sa.UniqueConstraint('person_id', 'kind', 'key', name=op.f('uq_message_person_id_kind_key')),
    )
    op.create_index(op.f('ix_message_tenant_id'), 'message', ['tenant_id'])
    unread = sa.text('read_at IS NULL')
    op.create_index('ix_message_unread', 'message', ['person_id'], sqlite_where=unread, postgresql_where=unread)
    op.create_table(
        'mail_address',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('address', sa.String(length=254), nullable=False),
        sa.Column('hour', sa.Integer(), nullable=False),
        sa.Column('code_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('code_tries', sa.Integer(), nullable=False),
        sa.Column('confirmed_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('trouble', sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_mail_address_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_mail_address_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_mail_address')),
        sa.UniqueConstraint('uuid', name=op.f('uq_mail_address_uuid')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_mail_address_tenant_id_id')),
        sa.UniqueConstraint('person_id', name=op.f('uq_mail_address_person_id')),
    )
    op.create_index(op.f('ix_mail_address_tenant_id'), 'mail_address', ['tenant_id'])
    op.create_table(
        'letter',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('address_id', sa.Integer(), nullable=False),
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('message_id', sa.String(length=200), nullable=False),
        sa.Column('messages', sa.JSON(), nullable=False),
        sa.Column('begun_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ['address_id'], ['mail_address.id'], name=op.f('fk_letter_address_id_mail_address'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_letter')),
        sa.UniqueConstraint('address_id', 'day', name=op.f('uq_letter_address_id_day')),
    )


def downgrade() -> None:
    op.drop_table('letter')
    op.drop_table('mail_address')
    op.drop_table('message')
