"""An activity whose host names no course is a space of its own, no longer the one nameless course of its deployment.

Where all such launches came from one activity, the nameless course becomes its space. Where they came from several,
nobody can tell whose it was: it stays, and each activity begins its own, which asks for its programme.

Revision ID: 0075
Revises: 0074
"""

import hashlib
from collections import defaultdict

import sqlalchemy as sa
from alembic import op

revision = '0075'
down_revision = '0074'
branch_labels = None
depends_on = None

_link = sa.table(
    'lti_resource_link',
    *(sa.column(name) for name in ('id', 'deployment_id', 'context_id', 'resource_link_id')),
)
_course = sa.table('course', *(sa.column(name) for name in ('id', 'deployment_id', 'context_id')))


def _space(link: str) -> str:
    name = 'link:' + link
    return name if len(name) <= 255 else 'link:' + hashlib.sha256(link.encode()).hexdigest()


def upgrade() -> None:
    there = op.get_bind()
    outside = sa.select(_link.c.id, _link.c.deployment_id, _link.c.resource_link_id).where(_link.c.context_id == '')
    of_deployment: defaultdict[int, list[str]] = defaultdict(list)
    for key, deployment, link in there.execute(outside).all():
        space = _space(link)
        of_deployment[deployment].append(space)
        there.execute(sa.update(_link).where(_link.c.id == key).values(context_id=space))
    for deployment, found in of_deployment.items():
        if len(found) == 1:
            nameless = sa.and_(_course.c.deployment_id == deployment, _course.c.context_id == '')
            there.execute(sa.update(_course).where(nameless).values(context_id=found[0]))


def downgrade() -> None:
    there = op.get_bind()
    in_space = _course.c.context_id.startswith('link:')
    there.execute(sa.update(_link).where(_link.c.context_id.startswith('link:')).values(context_id=''))
    wanted = sa.or_(in_space, _course.c.context_id == '')
    alone = sa.select(sa.func.min(_course.c.id)).where(wanted).group_by(_course.c.deployment_id).having(sa.func.count() == 1)
    only = [key for (key,) in there.execute(alone).all()]
    there.execute(sa.update(_course).where(_course.c.id.in_(only), in_space).values(context_id=''))
