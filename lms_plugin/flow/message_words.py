"""What messages say, in the tool and in a letter, and the one page where the act is: one line a kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Words:
    """A message of one kind. `path`: the page, with {key} for the thing's uuid."""

    zh: str
    en: str
    path: str

    def said(self, params: Mapping[str, Any], language: str) -> str:
        """The sentence in that language ("en", else Chinese); a title that is missing leaves a gap, never an error."""
        return (self.en if language == "en" else self.zh).format_map(_Gaps(params))


class _Gaps(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return ""


REVIEWS, REVIEWS_DUE = "review.asked", "review.due"
APPEAL_ASKED, APPEAL_SETTLED = "appeal.asked", "appeal.settled"
RETURNED, RELEASED, DECLINED = "work.returned", "work.released", "work.declined"
ANSWERED, STUCK = "hours.answered", "scores.stuck"
HELD = "hours.held"
CLAIMED = "review.claimed"
FLAGGED, FLAG_OF_REVIEW, FLAG_OF_AUTHOR = "flag.raised", "flag.review_answered", "flag.author_answered"
OBJECTION, OBJECTION_ANSWERED = "objection.raised", "objection.answered"
TRANSFER_WAITS, TRANSFER_WENT_ON = "transfer.waits", "transfer.went_on"

KINDS: dict[str, Words] = {
    REVIEWS: Words("“{title}”有分给您的互评", "There are reviews for you in “{title}”", "/reviews"),
    REVIEWS_DUE: Words(
        "“{title}”的互评快到最后一天了，还没有评完", "Your reviews in “{title}” are nearly due", "/reviews"
    ),
    APPEAL_ASKED: Words(
        "请您复核一份材料（{code}）", "You are asked to judge an appeal ({code})", "/appeals/panel/{key}"
    ),
    APPEAL_SETTLED: Words("您申请的复核有答复了（{code}）", "Your appeal is settled ({code})", "/appeals/{key}"),
    RETURNED: Words(
        "{code} 退回修改：只换指出的那几项", "{code} came back: change only what is named", "/submissions/{key}"
    ),
    RELEASED: Words("{code} 的结果发布了", "The result of {code} is released", "/submissions/{key}/result"),
    DECLINED: Words("{code} 迟交，没有接收：看原因", "{code} was late and not accepted: see why", "/submissions/{key}"),
    ANSWERED: Words("您的学时更正申请有答复了", "Your question about hours is answered", "/record/{key}/asks"),
    CLAIMED: Words(
        "“{title}”：您领的评审还没评完的，到期前请评完",
        "“{title}”: please finish the review that you took",
        "/reviews",
    ),
    FLAGGED: Words("有人请您看看一份材料（{code}）", "You are asked to look at a work ({code})", "/flags/{key}"),
    FLAG_OF_REVIEW: Words(
        "您请评审员看的材料（{code}）有答复了",
        "A trainer has looked at the work you asked about ({code})",
        "/reviews/{key}/flag",
    ),
    FLAG_OF_AUTHOR: Words(
        "您请评审员看的评语（{code}）有答复了",
        "A trainer has looked at what you asked about ({code})",
        "/submissions/{key}/flag",
    ),
    OBJECTION: Words("“{title}”的公示有异议等答复", "An objection in “{title}” waits for an answer", "/batches/{key}"),
    OBJECTION_ANSWERED: Words(
        "您对“{title}”公示的异议有答复了", "Your objection in “{title}” is answered", "/publicity/{key}"
    ),
    TRANSFER_WAITS: Words("有转出、转入等您办理", "Somebody who moves waits for your word", "/transfers"),
    TRANSFER_WENT_ON: Words("您的转出、转入有进展了", "Your move to another county has gone a step on", "/transfer"),
    HELD: Words(
        "“{title}”：评完分给您的互评，您的学时才记上",
        "“{title}”: your hours are booked once your reviews are done",
        "/reviews",
    ),
    STUCK: Words("课程“{title}”有成绩没有送到", "Scores of the course “{title}” have not arrived", "/deliveries"),
}
