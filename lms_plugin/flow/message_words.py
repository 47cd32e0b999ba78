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
    HELD: Words(
        "“{title}”：评完分给您的互评，您的学时才记上",
        "“{title}”: your hours are booked once your reviews are done",
        "/reviews",
    ),
    STUCK: Words("课程“{title}”有成绩没有送到", "Scores of the course “{title}” have not arrived", "/deliveries"),
}
