"""Who takes part in an allotment of reviews, by which rule, and what comes of it: values alone."""

from dataclasses import dataclass, replace
from enum import StrEnum

from lms_plugin.errors import Invalid


class Pool(StrEnum):
    """From where the reviewers of a work come. own_group: the same school or the same school group."""

    OWN_SCHOOL = "own_school"
    OWN_GROUP = "own_group"
    DISTRICT = "district"


class CourseGroups(StrEnum):
    """What the groups of a course count: nothing; whoever shares one with the author comes first; nobody else may."""

    OFF = "off"
    FIRST = "first"
    ONLY = "only"


@dataclass(frozen=True, slots=True)
class Work:
    """A submitted work. School and group are those of the day of submission; None = not known.

    `course_groups`: the author's groups in their courses; None = their courses have no groups, so that no rule about
    them binds this work. `subject` and `stage` (学段) "" = not known.
    """

    id: int
    author_id: int
    school_id: int | None
    group_id: int | None = None
    subject: str = ""
    course_groups: frozenset[int] | None = None
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A person who may review; an author of several works is one reviewer.

    `owed_now` counts the reviews this person was given in the programme that are *not* in `existing`. `quota`: how
    many this person gives in all, more or fewer than their works ask for (somebody part-time, a volunteer); None = as
    many as they receive. What some give fewer the others share by largest remainder, and the other way round.
    `past_authors`: whose works this person has reviewed, for rules that ask for somebody new each time.
    """

    id: int
    school_id: int | None
    group_id: int | None = None
    subject: str = ""
    owed_now: int = 0
    refused_works: frozenset[int] = frozenset()
    recused_authors: frozenset[int] = frozenset()
    course_groups: frozenset[int] = frozenset()
    stage: str = ""
    quota: int | None = None
    past_authors: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class AllocationRule:
    """A programme's review policy.

    `reviews_per_work` 0 switches peer review off. `duty_slack`: how many reviews one may give beyond those one
    receives (1 by the rule "received ± 1"); None lets people without a work review too, up to `max_reviews`.
    `course_groups` counts within the pool: it lets nobody in whom the pool or the exclusion keeps out, and whoever is
    in the author's group comes before whoever is of the same subject. `exclude_own_group`: nobody of a school of the
    author's school group, the own school included. `only_same_subject`, `only_same_stage`: where either is not known,
    nobody is of the same; for the same reason `exclude_same_subject` and `exclude_same_stage` let them in.
    `exclude_past_reviewers`: nobody reviews two works of one author. Raises Invalid naming the field.
    """

    reviews_per_work: int = 2
    max_reviews: int = 6
    pool: Pool = Pool.OWN_SCHOOL
    exclude_own_school: bool = False
    prefer_same_subject: bool = True
    course_groups: CourseGroups = CourseGroups.OFF
    duty_slack: int | None = 1
    exclude_own_group: bool = False
    only_same_subject: bool = False
    only_same_stage: bool = False
    exclude_same_subject: bool = False
    exclude_same_stage: bool = False
    exclude_past_reviewers: bool = False

    def __post_init__(self) -> None:
        wrong: dict[str, str | tuple[str, dict[str, object]]] = {}
        if not 0 <= self.reviews_per_work <= 9:
            wrong["reviews_per_work"] = "allocation.reviews_out_of_range"
        if not 1 <= self.max_reviews <= 100:
            wrong["max_reviews"] = "allocation.max_out_of_range"
        if self.pool not in tuple(Pool):
            wrong["pool"] = "allocation.pool_unknown"
        if self.course_groups not in tuple(CourseGroups):
            wrong["course_groups"] = "allocation.groups_unknown"
        if self.duty_slack is not None and self.duty_slack < 0:
            wrong["duty_slack"] = "allocation.slack_negative"
        if wrong:
            raise Invalid(wrong)
        object.__setattr__(self, "pool", Pool(self.pool))  # a rule read back from JSON is the same rule
        object.__setattr__(self, "course_groups", CourseGroups(self.course_groups))

    def of_pool_alone(self) -> "AllocationRule":
        """The rule without all that keeps people of the pool out."""
        return replace(
            self,
            exclude_own_school=False,
            exclude_own_group=False,
            only_same_subject=False,
            only_same_stage=False,
            exclude_same_subject=False,
            exclude_same_stage=False,
            exclude_past_reviewers=False,
            course_groups=CourseGroups.OFF,
        )


@dataclass(frozen=True, slots=True, order=True)
class Assignment:
    """This person reviews this work."""

    work_id: int
    reviewer_id: int


class Why(StrEnum):
    """Why a work has fewer reviewers than it should.

    own_school_excluded, own_group_excluded: colleagues of the author's school, or of its school group, could fill it,
    but the programme excludes them. other_subject, other_stage: others could fill it, but the programme takes those of
    the same subject or stage alone; same_subject, same_stage: likewise, of another one alone. past_reviewer: others
    could fill it, but they review, or have reviewed, another work of this author.
    course_group_too_small, no_course_group: others of the pool could fill it, but the programme takes reviewers from
    the author's course group alone, which has too few people, or the author is in none.
    former_colleague: former colleagues of the author could fill it, but they are kept apart (who plans says so: the
    pool itself knows them only as people kept apart).
    rules_together: others of the pool could fill it, but each is kept out by more than one of these rules.
    no_reviewer_in_pool: too few people may review it at all. everyone_at_limit: enough may, but all owe enough.
    """

    NO_REVIEWER_IN_POOL = "no_reviewer_in_pool"
    EVERYONE_AT_LIMIT = "everyone_at_limit"
    OWN_SCHOOL_EXCLUDED = "own_school_excluded"
    OWN_GROUP_EXCLUDED = "own_group_excluded"
    OTHER_SUBJECT = "other_subject"
    OTHER_STAGE = "other_stage"
    COURSE_GROUP_TOO_SMALL = "course_group_too_small"
    NO_COURSE_GROUP = "no_course_group"
    SAME_SUBJECT = "same_subject"
    SAME_STAGE = "same_stage"
    PAST_REVIEWER = "past_reviewer"
    FORMER_COLLEAGUE = "former_colleague"
    RULES_TOGETHER = "rules_together"


@dataclass(frozen=True, slots=True, order=True)
class Shortage:
    """`short` reviewers are missing for this work."""

    work_id: int
    short: int
    why: Why


@dataclass(frozen=True, slots=True, order=True)
class Load:
    """What one person gives and receives once the plan is carried out, existing reviews included."""

    reviewer_id: int
    given: int
    received: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """`assignments` are the new ones alone, sorted; `shortages` what could not be filled; `loads` one per reviewer.

    `is_proven`: no plan that keeps the rules places more. It is not in one case alone: a pool of more than
    `allocation.MOST_EXACT` works in which pairs kept apart one by one stand in the way.
    """

    assignments: tuple[Assignment, ...]
    shortages: tuple[Shortage, ...]
    loads: tuple[Load, ...]
    is_proven: bool = True
