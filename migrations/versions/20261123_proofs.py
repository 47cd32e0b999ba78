"""Who comes from a platform that proves nobody proves themselves.

Revision ID: 0065
Revises: 0064
"""

import sqlalchemy as sa
from alembic import op


revision = '0065'
down_revision = '0064'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('web_session') as batch:
        batch.add_column(sa.Column('proved_at', sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        'signing_word',
        sa.Column('person_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('word_hash', sa.String(length=200), nullable=False),
        sa.Column('set_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('code_hash', sa.String(length=200), nullable=False),
        sa.Column('code_by_id', sa.Integer(), nullable=True),
        sa.Column('code_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_signing_word_person_id_person')),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_signing_word_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['code_by_id'], ['person.id'], name=op.f('fk_signing_word_code_by_id_person')),
        sa.PrimaryKeyConstraint('person_id', name=op.f('pk_signing_word')),
    )


def downgrade() -> None:
    op.drop_table('signing_word')
    with op.batch_alter_table('web_session') as batch:
        batch.drop_column('proved_at')
