"""The rule version of a programme: every setting with its default. Immutable once stored (ProgrammePolicy)."""

import hashlib
import json
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from competencies.choosing import ChoiceRule, EnvironmentRule


class Category(StrEnum):
    """类别 of somebody on the roster (competency.md 3.4): one of these, 教师 where nobody said."""

    TEACHER = "teacher"  # 教师
    BACKBONE = "backbone"  # 骨干教师
    COACH = "coach"  # 培训者
    MANAGER = "manager"  # 管理团队
    PRINCIPAL = "principal"  # 校长


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Choice(_Rule):
    """How teachers choose points (competency.md 3.3: 3 points, 2 dimensions, the school's environment)."""

    required_points: int = Field(default=3, ge=1, le=30)
    min_dimensions: int = Field(default=2, ge=1, le=4)
    environment_rule: Literal["exact", "up_to", "free"] = "up_to"
    compulsory: tuple[str, ...] = ()
    change_until: Literal["opened", "decided"] = "opened"  # how long a teacher may give a handed-in point back
    not_offered: tuple[str, ...] = ()  # points of the framework that the local paper does not have
    points_in_paper: int = Field(default=0, ge=0, le=200)  # how many points it has; 0 = it does not say
    only: tuple[str, ...] = ()  # codes of points, environments and dimensions to choose from; () = all of them
    school_confirms: bool = False  # the school confirms a choice before the first decision on it (users.md 18)

    @model_validator(mode="after")
    def _possible(self) -> "Choice":
        if self.min_dimensions > self.required_points:
            raise ValueError("min_dimensions cannot exceed required_points")
        if set(self.compulsory) & set(self.not_offered):
            raise ValueError("a compulsory point must be offered")
        return self


class ReviewPolicy(_Rule):
    """互评: how many reviewers, of which pool, how much one person may owe."""

    reviews_per_work: int = Field(default=2, ge=0, le=5)
    third_when_differing: bool = True
    max_reviews: int = Field(default=6, ge=1, le=30)
    lease_hours: int = Field(default=72, ge=0, le=720)  # untouched for so long: it may go on to another; 0 = never
    pool: Literal["own_school", "own_group", "district"] = "own_group"
    exclude_own_school: bool = False
    prefer_same_subject: bool = True
    course_groups: Literal["off", "first", "only"] = "off"  # those of the hosts' courses, within the pool
    withdraw_minutes: int = Field(default=30, ge=0, le=7 * 24 * 60)
    minutes_per_review: int = Field(default=15, ge=1, le=120)
    self_marks: bool = True
    returned_to: Literal["trainer", "peers"] = (
        "trainer"  # who sees first what was returned and comes back (users.md 26)
    )
    claims: int = Field(default=0, ge=0, le=30)  # so many one may claim beyond what was allotted; 0 = none
    declines: int = Field(default=3, ge=0, le=30)  # so many one may decline, stepping back from an author not counted
    score: Literal["severity", "mean", "median"] = "severity"  # what says which works are uncertain (`rubrics.Policy`)
    pass_clear: bool = False  # clear works pass without a trainer, when the round of reviews is over
    calibration: Literal["off", "before", "mixed"] = "off"  # 校准样例: none, practice first, among real ones
    calibration_items: int = Field(default=2, ge=1, le=5)  # how many of them each reviewer gets
    exclude_own_group: bool = False  # nobody of a school of the author's school group, the own school included
    subjects: Literal["any", "same", "other"] = "any"  # whose work one may review; `prefer_…` only where any
    stages: Literal["any", "same", "other"] = "any"
    exclude_past_reviewers: bool = False  # nobody reviews two works of one author
    exclude_former_colleagues: bool = True  # where the own school is left out: nor whom one shared it with (ADR 0048)
    decide_days: int = Field(default=0, ge=0, le=90)  # a decision is promised in so many days; 0 = nothing is
    duty: Literal["remind", "hold"] = "remind"  # while own reviews are unfinished: a reminder, or own hours wait
    blind: Literal["double", "single", "open"] = "double"  # neither knows the other; reviewers know authors; both do
    peer_due: int = Field(default=0, ge=0, le=30)  # so many each author owes; 0 = those that were allotted

    @property
    def takes_claims(self) -> bool:
        """Whether anybody may claim reviews."""
        return bool(self.reviews_per_work and (self.claims or self.peer_due))


class Files(_Rule):
    """What may be uploaded, where the programme takes less than its standard does; 0 and () = as the standard says
    (`files` limits of competency.md 7)."""

    most_pieces: int = Field(default=0, ge=0, le=9)  # of one item: files, photos and addresses
    most_mb: int = Field(default=0, ge=0, le=2048)  # of a file that is no recording
    most_film_mb: int = Field(default=0, ge=0, le=2048)  # of a recording
    not_taken: tuple[str, ...] = ()  # endings without a dot; an item that takes no other keeps them

    @model_validator(mode="after")
    def _endings(self) -> "Files":
        if any(not one.isalnum() or len(one) > 10 or one != one.lower() for one in self.not_taken):
            raise ValueError("an ending has up to ten small letters and digits")
        return self

    def narrowed(self, kind: str, others: Collection[str], limits: Mapping[str, Any]) -> dict[str, Any]:
        """What an item of that kind, which takes `others` as well, asks of files: never more than its `limits` say."""
        found, film = dict(limits), dict(limits.get("video") or {})
        is_film = kind in RECORDED
        if self.most_pieces:
            found["max_files"] = min(int(found.get("max_files", self.most_pieces)), self.most_pieces)
        if most := self.most_film_mb if is_film else self.most_mb:
            found["max_mb"] = min(int(found.get("max_mb") or most), most)
        if self.most_film_mb and not is_film and (film or RECORDED & set(others)):
            film["max_mb"] = min(int(film.get("max_mb") or self.most_film_mb), self.most_film_mb)
            found["video"] = film
        return found

    def taken(self, accept: Sequence[str], *, has_other_ways: bool) -> tuple[str, ...]:
        """The endings that are left; all of them where none would be and nothing but a file is taken."""
        left = tuple(one for one in accept if one.lower().lstrip(".") not in self.not_taken)
        return left if left or has_other_ways else tuple(accept)


class Hours(_Rule):
    """学时, all in hundredths of one 学时. Needs: what a person must reach of each kind."""

    kind: Literal["per_set", "per_point_cumulative", "per_level"] = "per_set"
    practice_hundredths: int = Field(default=2500, ge=0, le=100_000)
    pass_hundredths: int = Field(default=800, ge=0, le=100_000)
    excellent_hundredths: int = Field(default=800, ge=0, le=100_000)
    cap_hundredths: int = Field(default=2500, ge=0, le=100_000)
    practice_need_hundredths: int = Field(default=2500, ge=0, le=100_000)
    online_need_hundredths: int = Field(default=2500, ge=0, le=100_000)
    per_credit_point_hundredths: int = Field(default=0, ge=0, le=100_000)  # what makes one 学分; 0 = not counted so


class ResultRule(_Rule):
    """合格 = all required points at least 合格 (and the hours where `needs_hours`); 优秀 = E of them 优秀."""

    excellent_points: int | None = Field(default=None, ge=1, le=30)  # None = all required
    needs_hours: bool = False
    retakes: int | None = Field(default=None, ge=0, le=20)  # how often 不合格 may be prepared again; None = any number


class Release(_Rule):
    """发布: by hand, or by itself `after_days` after the decision (0 = by hand only)."""

    after_days: int = Field(default=0, ge=0, le=90)


class Appeals(_Rule):
    """申请复核 of a released result (review.md 2.5, competency.md 7; no paper that we read says how many days)."""

    days: int = Field(default=0, ge=0, le=90)  # after the release, to 24:00 of the last one; 0 = there is none
    answer_days: int = Field(default=15, ge=1, le=90)  # by when it is to be settled
    panel: Literal["two", "trainer"] = "two"  # two fresh reviewers, or one fresh trainer
    may_fall: bool = False  # a result may also go down; the form says so


class Trainings(_Rule):
    """培训: how many minutes make one 学时, and how many trainings a school holds in a term."""

    minutes_per_hour: int = Field(default=45, ge=1, le=240)
    per_term: int = Field(default=2, ge=0, le=20)


class Chain(_Rule):
    """The official chain per school batch (competency.md 3.3, users.md 16). All off: trainers decide, and results are
    released by hand or after days. `days_off`, `workdays`: holidays, and weekend days on which people work (调休)."""

    panel: bool = False  # 校级认定: the school's 考核小组 decides, not trainers
    check: bool = False  # 县级抽查
    check_percent: int = Field(default=10, ge=1, le=100)  # of the passed works of a batch, rounded up
    check_excellent: bool = True  # and all 优秀
    excellent_cap_percent: int = Field(default=0, ge=0, le=100)  # 优秀 of a school's passed works, at most; 0 = any
    city_percent: int = Field(default=0, ge=0, le=100)  # 市级抽查 of what counties passed; 0 = there is none
    province_percent: int = Field(default=0, ge=0, le=100)  # 省级抽查, likewise
    publicity: bool = False  # 公示
    publicity_days: int = Field(default=5, ge=1, le=30)  # working days
    shown_to: Literal["school", "district", "public"] = "school"
    mask_names: bool = False
    days_off: tuple[date, ...] = ()
    workdays: tuple[date, ...] = ()

    @property
    def goes_by_batch(self) -> bool:
        """Whether a school closes its works as a batch before anything counts."""
        return self.check or self.publicity


class Cohort(_Rule):
    """分批: how much of the district a year calls."""

    year: int = Field(ge=2000, le=2100)
    percent: int = Field(ge=1, le=100)


class CategoryRule(_Rule):
    """分类要求: what is otherwise for people of one category; None and () = as for everybody (`role_limits` and
    `targets` of competency.md 7)."""

    category: Category
    required_points: int | None = Field(default=None, ge=1, le=30)
    min_dimensions: int | None = Field(default=None, ge=1, le=4)
    only: tuple[str, ...] = ()  # as `Choice.only`, instead of it
    practice_need_hundredths: int | None = Field(default=None, ge=0, le=100_000)
    online_need_hundredths: int | None = Field(default=None, ge=0, le=100_000)
    target: int | None = Field(default=None, ge=1, le=1_000_000)  # how many people of it are to pass


RECORDED = frozenset({"video", "audio"})
"""Kinds of items that are recordings."""
CAME_LATER = (
    ("result", "retakes"),
    ("hours", "per_credit_point_hundredths"),
    ("chain", "excellent_cap_percent"),
    ("chain", "city_percent"),
    ("chain", "province_percent"),
    ("review", "course_groups"),
    ("review", "lease_hours"),
    ("review", "score"),
    ("review", "returned_to"),
    ("review", "decide_days"),
    ("review", "claims"),
    ("review", "declines"),
    ("review", "pass_clear"),
    ("review", "calibration"),
    ("review", "calibration_items"),
    ("review", "blind"),
    ("review", "peer_due"),
    ("review", "duty"),
    ("review", "exclude_own_group"),
    ("review", "subjects"),
    ("review", "stages"),
    ("review", "exclude_past_reviewers"),
    ("review", "exclude_former_colleagues"),
    ("choice", "not_offered"),
    ("choice", "points_in_paper"),
    ("", "files"),
    ("", "settings"),
    ("", "trainings"),
    ("", "chain"),
    ("", "cohorts"),
    ("choice", "change_until"),
    ("choice", "school_confirms"),
    ("choice", "only"),
    ("", "concerns"),
    ("", "categories"),
    ("", "appeals"),
)
"""Settings, by their part of the rules, that older rule versions do not know: a part after what came into it later."""


class Rules(_Rule):
    """All rules of a programme; the defaults are the customer's 2.0 ones. A new one begins with `begun`."""

    choice: Choice = Choice()
    review: ReviewPolicy = ReviewPolicy()
    files: Files = Files()
    hours: Hours = Hours()
    result: ResultRule = ResultRule()
    release: Release = Release()
    appeals: Appeals = Appeals()
    trainings: Trainings = Trainings()
    chain: Chain = Chain()
    goal_percent: int = Field(default=90, ge=1, le=100)
    cohorts: tuple[Cohort, ...] = Field(default=(), max_length=10)  # () = everybody from the first day on
    concerns: tuple[Category, ...] = ()  # whom the programme is for, which is its kind; () = everybody (全员)
    categories: tuple[CategoryRule, ...] = ()
    settings: str = Field(default="", max_length=32)  # the settings file they began with (`provinces`), "" = none

    @model_validator(mode="after")
    def _fits(self) -> "Rules":
        if self.result.excellent_points is not None and self.result.excellent_points > self.choice.required_points:
            raise ValueError("excellent_points cannot exceed required_points")
        if self.review.exclude_own_school and self.review.pool == "own_school":
            raise ValueError("a pool of the own school cannot exclude the own school")
        if self.review.blind != "double" and self.review.calibration == "mixed":
            raise ValueError("an example among works with names would be known by having none")
        if self.review.exclude_own_group and self.review.pool != "district":
            raise ValueError("a pool of the own school or school group cannot exclude the school group")
        years = [one.year for one in self.cohorts]
        if self.cohorts and (years != sorted(set(years)) or sum(one.percent for one in self.cohorts) != 100):
            raise ValueError("cohorts name each year once, in order, and make 100 per cent together")
        if len({one.category for one in self.categories}) != len(self.categories):
            raise ValueError("a category has one rule")
        for one in self.categories:
            required = one.required_points or self.choice.required_points
            if (one.min_dimensions or 1) > required:
                raise ValueError("min_dimensions cannot exceed required_points")
        return self

    @classmethod
    def begun(cls) -> "Rules":
        """What a new programme begins with: a choice may be changed until its first decision (users.md 20), a result
        appealed for ten days, and each owes three reviews (competency.md 3.3). Rules that were stored before these were
        settings say nothing of them, so their defaults stay what held for them."""
        return cls(choice=Choice(change_until="decided"), appeals=Appeals(days=10), review=ReviewPolicy(peer_due=3))

    def is_for(self, category: Category | None) -> bool:
        """Whether somebody of the category is meant; None (on no roster: nobody knows) is not turned away."""
        return not self.concerns or category is None or category in self.concerns

    def for_category(self, category: Category | None) -> "Rules":
        """The rules as they hold for somebody of the category; None: as for everybody."""
        own = next((one for one in self.categories if one.category is category), None)
        return self if own is None else _with_own(self, own)

    def canonical(self) -> dict[str, Any]:
        """As stored. A setting that came later is left out while it is at its default: rules from before it are the
        same rules."""
        found, default = self.model_dump(mode="json"), Rules().model_dump(mode="json")
        for part, name in CAME_LATER:
            place, usual = (found[part], default[part]) if part else (found, default)
            if place[name] == usual[name]:
                del place[name], usual[name]
        return found

    def content_hash(self) -> str:
        """SHA-256 of the canonical JSON (sorted keys, UTF-8)."""
        return hash_of_rules(self.canonical())


@lru_cache(maxsize=256)  # asked for person by person
def _with_own(rules: Rules, own: CategoryRule) -> Rules:
    """Fewer points than usual need no more dimensions, and no more of them 优秀, than there are points."""
    choice, hours, result = rules.choice, rules.hours, rules.result
    required = own.required_points or choice.required_points
    practice, online = own.practice_need_hundredths, own.online_need_hundredths
    most = result.excellent_points
    return rules.model_copy(
        update={
            "choice": choice.model_copy(
                update={
                    "required_points": required,
                    "min_dimensions": own.min_dimensions or min(choice.min_dimensions, required),
                    "only": own.only or choice.only,
                }
            ),
            "hours": hours.model_copy(
                update={
                    "practice_need_hundredths": hours.practice_need_hundredths if practice is None else practice,
                    "online_need_hundredths": hours.online_need_hundredths if online is None else online,
                }
            ),
            "result": result.model_copy(update={"excellent_points": None if most is None else min(most, required)}),
        }
    )


def hash_of_rules(stored: dict[str, Any]) -> str:
    """SHA-256 of rules as they are stored: of an old rule version too, whatever settings came later."""
    text = json.dumps(stored, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def choice_rule(rules: Rules) -> ChoiceRule:
    """The choice rule of a programme's rule version."""
    choice = rules.choice
    return ChoiceRule(
        required_points=choice.required_points,
        min_dimensions=choice.min_dimensions,
        environment_rule=EnvironmentRule(choice.environment_rule),
        compulsory=choice.compulsory,
        not_offered=choice.not_offered,
        only=choice.only,
    )


def as_spelt(rules: Rules, content: Mapping[str, Any]) -> Rules:
    """The rules with points, environments and dimensions by the codes of a framework (its pack), however people typed
    them: in whatever case, an environment or a dimension also by its name. What it does not know stays as it is."""
    head = content["framework"]
    found = {_plain(point["code"]): point["code"] for point in content["points"]}
    for part in (*head["environments"], *head["dimensions"]):
        found |= {_plain(part[key]): part["code"] for key in ("zh", "en", "code") if part.get(key)}
    exact = {*found.values(), *(point["code"] for point in content["points"])}

    def spelt(codes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one if one in exact else found.get(_plain(one), one) for one in codes))

    choice = rules.choice
    codes = {name: spelt(getattr(choice, name)) for name in ("compulsory", "not_offered", "only")}
    own = tuple(one.model_copy(update={"only": spelt(one.only)}) for one in rules.categories)
    return rules.model_copy(update={"choice": choice.model_copy(update=codes), "categories": own})


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split()).casefold()
