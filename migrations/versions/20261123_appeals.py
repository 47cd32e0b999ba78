"""A released result may be appealed: by criterion, to a fresh panel.

Revision ID: 0056
Revises: 0055
"""

import uuid
from datetime import datetime

import sqlalchemy as sa
from alembic import op


revision = '0056'
down_revision = '0055'
branch_labels = None
depends_on = None

NOW_ONE = sa.text('NOT is_replaced')
FOLDED = 'appealed_version_id'
KEPT, MOMENTS = ('marks', 'item_levels', 'point_level', 'reason', 'decided_by_id'), ('decided_at', 'released_at')


def upgrade() -> None:
    with op.batch_alter_table('award', schema=None) as batch_op:
        batch_op.add_column(sa.Column('is_replaced', sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.drop_constraint(op.f('uq_award_decision_id'), type_='unique')
    with op.batch_alter_table('award', schema=None) as batch_op:
        batch_op.alter_column('is_replaced', existing_type=sa.Boolean(), server_default=None)
    unfold()
    op.create_index(
        'uq_award_decision', 'award', ['decision_id'], unique=True, sqlite_where=NOW_ONE, postgresql_where=NOW_ONE
    )
    op.create_table(
        'appeal',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('submission_id', sa.Integer(), nullable=False),
        sa.Column('submission_version_id', sa.Integer(), nullable=False),
        sa.Column('decision_id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column(
            'state',
            sa.Enum(
                'open', 'settled', 'withdrawn',
                name='appealstate', native_enum=False, length=32, create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column('panel', sa.String(length=16), nullable=False),
        sa.Column('pool', sa.String(length=16), nullable=False),
        sa.Column('may_fall', sa.Boolean(), nullable=False),
        sa.Column('before', sa.JSON(), nullable=False),
        sa.Column('after_level', sa.Integer(), nullable=True),
        sa.Column('raised_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('withdrawn_at', sa.DateTime(timezone=True), nullable=True),
        *(
            sa.ForeignKeyConstraint([column], [f'{there}.id'], name=op.f(f'fk_appeal_{column}_{there}'))
            for column, there in (
                ('tenant_id', 'tenant'),
                ('programme_id', 'programme'),
                ('submission_id', 'submission'),
                ('submission_version_id', 'submission_version'),
                ('decision_id', 'decision'),
                ('person_id', 'person'),
            )
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_appeal')),
        sa.UniqueConstraint('uuid', name=op.f('uq_appeal_uuid')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_appeal_tenant_id_id')),
        sa.UniqueConstraint('decision_id', name=op.f('uq_appeal_decision_id')),
    )
    for column in ('tenant_id', 'submission_id', 'submission_version_id', 'person_id'):
        op.create_index(op.f(f'ix_appeal_{column}'), 'appeal', [column])
    op.create_index('ix_appeal_programme_state', 'appeal', ['programme_id', 'state'])
    op.create_table(
        'appeal_point',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('appeal_id', sa.Integer(), nullable=False),
        sa.Column('requirement_key', sa.String(length=64), nullable=False),
        sa.Column('criterion_key', sa.String(length=64), nullable=False),
        sa.Column('reason', sa.String(length=2000), nullable=False),
        sa.Column('before', sa.Integer(), nullable=False),
        sa.Column('after', sa.Integer(), nullable=True),
        sa.Column('answer', sa.String(length=20000), nullable=False),
        sa.ForeignKeyConstraint(['appeal_id'], ['appeal.id'], name=op.f('fk_appeal_point_appeal_id_appeal')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_appeal_point')),
        sa.UniqueConstraint(
            'appeal_id', 'requirement_key', 'criterion_key',
            name=op.f('uq_appeal_point_appeal_id_requirement_key_criterion_key'),
        ),
    )
    op.create_table(
        'appeal_review',
        sa.Column('uuid', sa.String(length=32), nullable=False),
        sa.Column('tenant_id', sa.Integer(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('appeal_id', sa.Integer(), nullable=False),
        sa.Column('reviewer_id', sa.Integer(), nullable=False),
        sa.Column('is_trainer', sa.Boolean(), nullable=False),
        sa.Column(
            'state',
            sa.Enum(
                'asked', 'open', 'submitted', 'stepped_back', 'ended',
                name='memberstate', native_enum=False, length=32, create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column('marks', sa.JSON(), nullable=False),
        sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('opened_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('saved_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('submitted_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_appeal_review_tenant_id_tenant')),
        sa.ForeignKeyConstraint(['appeal_id'], ['appeal.id'], name=op.f('fk_appeal_review_appeal_id_appeal')),
        sa.ForeignKeyConstraint(['reviewer_id'], ['person.id'], name=op.f('fk_appeal_review_reviewer_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_appeal_review')),
        sa.UniqueConstraint('uuid', name=op.f('uq_appeal_review_uuid')),
        sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_appeal_review_tenant_id_id')),
        sa.UniqueConstraint('appeal_id', 'reviewer_id', name=op.f('uq_appeal_review_appeal_id_reviewer_id')),
    )
    op.create_index(op.f('ix_appeal_review_tenant_id'), 'appeal_review', ['tenant_id'])
    op.create_index('ix_appeal_review_reviewer_state', 'appeal_review', ['reviewer_id', 'state'])


def downgrade() -> None:
    fold()
    op.drop_table('appeal_review')
    op.drop_table('appeal_point')
    op.drop_table('appeal')
    op.drop_index('uq_award_decision', table_name='award')
    with op.batch_alter_table('award', schema=None) as batch_op:
        batch_op.drop_column('is_replaced')
        batch_op.create_unique_constraint(op.f('uq_award_decision_id'), ['decision_id'])


def tables() -> 'tuple[sa.Table, sa.Table, sa.Table, sa.Table]':
    """Award, decision, version and appeal as they are in the database now."""
    found = sa.MetaData()
    found.reflect(op.get_bind(), only=['award', 'decision', 'submission_version', 'appeal'])
    return tuple(found.tables[name] for name in ('award', 'decision', 'submission_version', 'appeal'))


def fold() -> None:
    """The sealed ledger names both awards of a decision that was appealed, and an older product knows one for each. So
    the decision goes back to how it stood before the appeal, for the award that was replaced, on a copy of the version
    that was judged; a newer one says what stands since. Copies are numbered from 0 down, before all that was handed in,
    and name what they were made from."""
    bind = op.get_bind()
    award, decision, version, appeal = tables()
    replaced = bind.execute(sa.select(award.c.decision_id).where(award.c.is_replaced).order_by(award.c.id)).scalars()
    for key in list(dict.fromkeys(replaced)):
        now = dict(bind.execute(sa.select(decision).where(decision.c.id == key)).mappings().one())
        judged = dict(
            bind.execute(sa.select(version).where(version.c.id == now['submission_version_id'])).mappings().one()
        )
        lowest = bind.execute(
            sa.select(sa.func.min(version.c.number)).where(version.c.submission_id == judged['submission_id'])
        ).scalar_one()
        copy = judged | {
            'number': min(lowest, 1) - 1,
            'manifest': {**judged['manifest'], FOLDED: judged['id']},
        }
        before = bind.execute(sa.select(appeal.c.before).where(appeal.c.decision_id == key)).scalar() or {}
        was = {name: before[name] for name in KEPT if name in before}
        was |= {name: datetime.fromisoformat(before[name]) for name in MOMENTS if before.get(name)}
        was['submission_version_id'] = _insert(version, copy)
        bind.execute(decision.update().where(decision.c.id == key).values(was))
        newer = _insert(decision, now | {'uuid': uuid.uuid4().hex})
        bind.execute(
            award.update().where(award.c.decision_id == key, sa.not_(award.c.is_replaced)).values(decision_id=newer)
        )


def _insert(table: sa.Table, row: 'dict[str, object]') -> int:
    """Puts in a copy of a row; gives its id."""
    bare = {key: value for key, value in row.items() if key != 'id'}
    return op.get_bind().execute(table.insert().values(bare)).inserted_primary_key[0]


def unfold() -> None:
    """What `fold` put aside goes back: both awards name the one decision again."""
    bind = op.get_bind()
    award, decision, version = (
        sa.Table(name, sa.MetaData(), autoload_with=bind) for name in ('award', 'decision', 'submission_version')
    )
    for copy, manifest in bind.execute(
        sa.select(version.c.id, version.c.manifest).where(version.c.number < 1).order_by(version.c.id)
    ).all():
        if FOLDED not in manifest:
            continue
        on = decision.c.submission_version_id
        key = bind.execute(sa.select(decision.c.id).where(on == copy)).scalar_one()
        newer = dict(bind.execute(sa.select(decision).where(on == manifest[FOLDED])).mappings().one())
        bind.execute(award.update().where(award.c.decision_id == key).values(is_replaced=True))
        bind.execute(award.update().where(award.c.decision_id == newer['id']).values(decision_id=key))
        bind.execute(decision.delete().where(decision.c.id == newer['id']))
        kept = {name: value for name, value in newer.items() if name not in {'id', 'uuid'}}
        bind.execute(decision.update().where(decision.c.id == key).values(kept))
        bind.execute(version.delete().where(version.c.id == copy))
