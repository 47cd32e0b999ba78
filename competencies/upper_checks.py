"""市级抽查、省级抽查: which works that counties passed a city or province looks at, and what it drew before.

Each work is drawn from once by each tier: a later draw takes what counties have passed since.
"""

from collections.abc import Sequence

from sqlmodel import Session, and_, col, or_, select

from competencies.batches import BatchState, BatchWork, SchoolBatch
from competencies.levels import Level
from competencies.models import Programme, Submission, SubmissionState
from competencies.rules import Chain
from competencies.sampling import lots
from competencies.upper_models import Tier as Tier
from competencies.upper_models import UpperCheck as UpperCheck
from competencies.upper_models import UpperWork as UpperWork
from lms_plugin.db import pk

PASSED_BY_COUNTY = (BatchState.SHOWN, BatchState.READY, BatchState.RELEASED)


def percent_of(chain: Chain, tier: Tier) -> int:
    """How much a tier looks at; 0 = nothing."""
    return chain.city_percent if tier is Tier.CITY else chain.province_percent


def chosen(works: Sequence[str], percent: int, seed: str) -> list[str]:
    """Those to look at, in the order of their lots: the share rounded up, so that of any there is one. Pure: the same
    names, share and seed give the same for ever (`sampling.lots`)."""
    return lots(works, seed)[: -(-len(works) * percent // 100)]


def passed_in(session: Session, programme: Programme, unit_ids: Sequence[int]) -> list[tuple[BatchWork, Submission]]:
    """Works of these units that stand passed after the county's look: held in 公示 or for release, or released. What
    was reopened since is none of them. One query."""
    rows = session.exec(
        select(BatchWork, Submission)
        .join(SchoolBatch, col(SchoolBatch.id) == col(BatchWork.batch_id))
        .join(Submission, col(Submission.id) == col(BatchWork.submission_id))
        .where(
            SchoolBatch.programme_id == pk(programme),
            col(SchoolBatch.org_unit_id).in_(unit_ids),
            col(SchoolBatch.state).in_(PASSED_BY_COUNTY),
            col(BatchWork.level) >= int(Level.PASS),
            col(BatchWork.decision_id).is_not(None),
            or_(
                col(Submission.state) == SubmissionState.RELEASED,
                and_(
                    col(Submission.state) == SubmissionState.DECIDED,
                    col(Submission.batch_id) == col(BatchWork.batch_id),
                ),
            ),
        )
        .order_by(col(BatchWork.id))
    ).all()
    return list({pk(work): (row, work) for row, work in rows}.values())  # of a work in two rounds the later one


def checks_of(session: Session, programme: Programme) -> list[UpperCheck]:
    """All draws in a programme, the oldest first. One query."""
    return list(
        session.exec(
            select(UpperCheck).where(UpperCheck.programme_id == pk(programme)).order_by(col(UpperCheck.id))
        ).all()
    )


def works_of(session: Session, check: UpperCheck) -> list[tuple[UpperWork, Submission]]:
    """What was drawn, in the order of the lots. One query."""
    rows = session.exec(
        select(UpperWork, Submission)
        .join(Submission, col(Submission.id) == col(UpperWork.submission_id))
        .where(UpperWork.check_id == pk(check))
        .order_by(col(UpperWork.place))
    )
    return [(work, submission) for work, submission in rows]
