"""Awards that an appeal (申请复核) has ended, for pages that would otherwise only say that they were taken back."""

from collections.abc import Collection

from sqlmodel import Session, col, func, select

import rubrics
from competencies import Award, CreditEntry


def in_entries(session: Session, entry_ids: Collection[int]) -> int:
    """On how many of them these entries of the ledger rest. One query."""
    appeal = rubrics.Appeal
    return int(
        session.exec(
            select(func.count(col(Award.id).distinct()))
            .join(CreditEntry, col(CreditEntry.award_id) == col(Award.id))
            .join(appeal, col(appeal.decision_id) == col(Award.decision_id))
            .where(
                col(CreditEntry.id).in_(entry_ids),
                appeal.state == rubrics.AppealState.SETTLED,
                col(Award.revoked_at) == col(appeal.settled_at),  # an officer takes back at another time
            )
        ).one()
    )
