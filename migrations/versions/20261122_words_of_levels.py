"""What the framework of a point calls its levels, where that is not what everybody calls them.

Revision ID: 0040
Revises: 0039
"""

import sqlalchemy as sa
from alembic import op


revision = '0040'
down_revision = '0039'
branch_labels = None
depends_on = None

USUAL = {'excellent': '优秀', 'pass': '合格', 'fail': '不合格'}
VERSION = sa.table('framework_version', sa.column('id', sa.Integer), sa.column('content', sa.JSON))
POINT = sa.table(
    'competency_point', sa.column('framework_version_id', sa.Integer), sa.column('level_words', sa.JSON(none_as_null=True))
)


def upgrade() -> None:
    op.add_column('competency_point', sa.Column('level_words', sa.JSON(), nullable=True))
    connection = op.get_bind()
    ids = connection.execute(sa.select(VERSION.c.id).order_by(VERSION.c.id)).scalars().all()
    for version_id in ids:
        content = connection.execute(sa.select(VERSION.c.content).where(VERSION.c.id == version_id)).scalar_one()
        said = {
            one['code']: {key: one[key] for key in ('zh', 'en') if one.get(key)}
            for one in content.get('framework', {}).get('levels', [])
        }
        if any(words != {'zh': USUAL.get(code)} for code, words in said.items()):
            connection.execute(
                sa.update(POINT).where(POINT.c.framework_version_id == version_id).values(level_words=said)
            )


def downgrade() -> None:
    with op.batch_alter_table('competency_point', schema=None) as batch_op:
        batch_op.drop_column('level_words')
