"""转出: which points left with a record, and the 放行码 of a file, so that it is the same wherever the district goes.

Revision ID: 0043
Revises: 0042
"""

import io
import json
import zipfile

import sqlalchemy as sa
from alembic import op


revision = '0043'
down_revision = '0042'
branch_labels = None
depends_on = None


def points_in(package: bytes) -> 'list[dict[str, object]]':
    """The points that a signed package names; none where it cannot be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as opened, opened.open('summary.jsonl') as stream:
            said = json.loads(stream.readline())['points']
        return [{'point': f"{one['standard']}:{one['code']}", 'level': one['level'], 'back': False} for one in said]
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError):
        return []


def upgrade() -> None:
    with op.batch_alter_table('transfer', schema=None) as batch_op:
        batch_op.add_column(sa.Column('points', sa.JSON(), nullable=False, server_default='[]'))
        batch_op.add_column(sa.Column('release_code', sa.String(length=12), nullable=False, server_default=''))
    with op.batch_alter_table('transfer', schema=None) as batch_op:
        batch_op.alter_column('points', existing_type=sa.JSON(), server_default=None)
        batch_op.alter_column('release_code', existing_type=sa.String(length=12), server_default=None)
    transfer = sa.table('transfer', sa.column('id', sa.Integer), sa.column('uuid', sa.String), sa.column('points', sa.JSON))
    package = sa.table(
        'transfer_package', sa.column('transfer_id', sa.Integer), sa.column('content', sa.LargeBinary)
    )
    arrival = sa.table('arrival', sa.column('package', sa.String), sa.column('state', sa.String), sa.column('taken', sa.JSON))
    connection = op.get_bind()
    left = connection.execute(
        sa.select(transfer.c.id, transfer.c.uuid).where(
            transfer.c.id.in_(sa.select(package.c.transfer_id).where(package.c.transfer_id.is_not(None)))
        )
    ).all()
    for key, uuid in left:
        content = connection.execute(sa.select(package.c.content).where(package.c.transfer_id == key)).scalar_one()
        points = points_in(content)
        taken = connection.execute(
            sa.select(arrival.c.taken).where(arrival.c.package == uuid, arrival.c.state == 'accepted')
        ).scalar_one_or_none()
        if taken is not None:
            points = [{**one, 'back': one['point'] not in taken.get('points', {})} for one in points]
        connection.execute(transfer.update().where(transfer.c.id == key).values(points=points))


def downgrade() -> None:
    with op.batch_alter_table('transfer', schema=None) as batch_op:
        batch_op.drop_column('release_code')
        batch_op.drop_column('points')
