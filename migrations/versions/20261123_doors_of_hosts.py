"""An account belongs to a door of its host: our block in Open edX, or the stock component there, under one issuer.

Whoever came only by our block becomes its account; who came by both, as one person until now, keeps both. Taken down,
an account that has a twin at the other door is kept under a marked issuer, since the older schema knows one of a name.

Revision ID: 0071
Revises: 0070
"""

import sqlalchemy as sa
from alembic import op


revision = '0071'
down_revision = '0070'
branch_labels = None
depends_on = None

KEYS = '/api/lti_consumer/v1/public_keysets/09abc533-9146-5f76-8337-531ad5c9fbb9'
DOOR, MARK = 'block', '#block'
UNIQUE = 'uq_identity_tenant_id_issuer_subject'

PLATFORM = sa.table('lti_platform', *(sa.column(name) for name in ('id', 'tenant_id', 'issuer', 'jwks_url', 'door')))
DEPLOYMENT = sa.table('lti_deployment', sa.column('id'), sa.column('platform_id'))
COURSE = sa.table('course', sa.column('id'), sa.column('deployment_id'))
MEMBER = sa.table('course_member', *(sa.column(name) for name in ('course_id', 'person_id', 'subject')))
IDENTITY = sa.table(
    'identity',
    *(sa.column(name) for name in ('id', 'tenant_id', 'issuer', 'door', 'subject', 'person_id')),
    sa.column('first_seen_at', sa.DateTime(timezone=True)),
)
MOVE = sa.table(
    'identity_move',
    *(sa.column(name) for name in ('id', 'identity_id', 'tenant_id', 'from_person_id', 'to_person_id', 'moved_by_id')),
    *(sa.column('reason'), sa.column('moved_at', sa.DateTime(timezone=True))),
)


def came_by(door: str) -> 'sa.Exists':
    """Whether the account launched from a course of its issuer that has this door."""
    return sa.exists(
        sa.select(sa.literal(1))
        .select_from(MEMBER)
        .join(COURSE, COURSE.c.id == MEMBER.c.course_id)
        .join(DEPLOYMENT, DEPLOYMENT.c.id == COURSE.c.deployment_id)
        .join(PLATFORM, PLATFORM.c.id == DEPLOYMENT.c.platform_id)
        .where(
            PLATFORM.c.tenant_id == IDENTITY.c.tenant_id,
            PLATFORM.c.issuer == IDENTITY.c.issuer,
            PLATFORM.c.door == door,
            MEMBER.c.subject == IDENTITY.c.subject,
        )
        .correlate(IDENTITY)
    )


def upgrade() -> None:
    for name in ('lti_platform', 'identity'):
        with op.batch_alter_table(name, schema=None) as batch_op:
            batch_op.add_column(sa.Column('door', sa.String(length=16), nullable=False, server_default=''))
    with op.batch_alter_table('lti_platform', schema=None) as batch_op:
        batch_op.alter_column('door', existing_type=sa.String(length=16), server_default=None)
    with op.batch_alter_table('identity', schema=None) as batch_op:
        batch_op.alter_column('door', existing_type=sa.String(length=16), server_default=None)
        batch_op.drop_constraint(op.f(UNIQUE), type_='unique')
        batch_op.create_unique_constraint(op.f(f'{UNIQUE}_door'), ['tenant_id', 'issuer', 'subject', 'door'])
    op.execute(sa.update(PLATFORM).where(PLATFORM.c.jwks_url.endswith(KEYS, autoescape=True)).values(door=DOOR))
    marked = IDENTITY.c.issuer.endswith(MARK, autoescape=True)
    plain = sa.func.substr(IDENTITY.c.issuer, 1, sa.func.length(IDENTITY.c.issuer) - len(MARK))
    op.execute(sa.update(IDENTITY).where(marked).values(door=DOOR, issuer=plain))
    twin = IDENTITY.alias()
    has_twin = sa.exists(
        sa.select(sa.literal(1)).where(
            twin.c.tenant_id == IDENTITY.c.tenant_id,
            twin.c.issuer == IDENTITY.c.issuer,
            twin.c.subject == IDENTITY.c.subject,
            twin.c.door == DOOR,
        )
    )
    last = op.get_bind().execute(sa.select(sa.func.coalesce(sa.func.max(IDENTITY.c.id), 0))).scalar_one()
    here = sa.and_(IDENTITY.c.door == '', came_by(DOOR), ~has_twin)
    op.execute(
        sa.insert(IDENTITY).from_select(
            ['tenant_id', 'issuer', 'door', 'subject', 'person_id', 'first_seen_at'],
            sa.select(
                *(IDENTITY.c.tenant_id, IDENTITY.c.issuer, sa.literal(DOOR), IDENTITY.c.subject),
                *(IDENTITY.c.person_id, IDENTITY.c.first_seen_at),
            ).where(here, came_by('')),
            include_defaults=False,
        )
    )
    copy_moves(last)
    op.execute(sa.update(IDENTITY).where(here, ~came_by('')).values(door=DOOR))


def copy_moves(after: int) -> None:
    """The log of merges of an account holds for the twin that has been made of it too: an undo brings both back."""
    twin, old = IDENTITY.alias(), IDENTITY.alias()
    names = ('tenant_id', 'from_person_id', 'to_person_id', 'moved_by_id', 'reason', 'moved_at')
    same = sa.and_(*(old.c[name] == twin.c[name] for name in ('tenant_id', 'issuer', 'subject')), old.c.door == '')
    op.execute(
        sa.insert(MOVE).from_select(
            ['identity_id', *names],
            sa.select(twin.c.id, *(MOVE.c[name] for name in names))
            .select_from(MOVE)
            .join(old, old.c.id == MOVE.c.identity_id)
            .join(twin, same)
            .where(twin.c.door == DOOR, twin.c.id > after)
            .order_by(MOVE.c.id),
            include_defaults=False,
        )
    )


def downgrade() -> None:
    twin = IDENTITY.alias()
    has_twin = sa.exists(
        sa.select(sa.literal(1)).where(
            twin.c.tenant_id == IDENTITY.c.tenant_id,
            twin.c.issuer == IDENTITY.c.issuer,
            twin.c.subject == IDENTITY.c.subject,
            twin.c.door == '',
        )
    )
    op.execute(
        sa.update(IDENTITY).where(IDENTITY.c.door == DOOR, has_twin).values(issuer=IDENTITY.c.issuer.concat(MARK))
    )
    with op.batch_alter_table('identity', schema=None) as batch_op:
        batch_op.drop_constraint(op.f(f'{UNIQUE}_door'), type_='unique')
        batch_op.drop_column('door')
        batch_op.create_unique_constraint(op.f(UNIQUE), ['tenant_id', 'issuer', 'subject'])
    with op.batch_alter_table('lti_platform', schema=None) as batch_op:
        batch_op.drop_column('door')
