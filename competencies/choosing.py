"""Which points a teacher may choose, and what a choice still misses."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lms_plugin.errors import Invalid


class EnvironmentRule(StrEnum):
    """exact: the declared environments alone; up_to: those and what is before any of them; free: any."""

    EXACT = "exact"
    UP_TO = "up_to"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Effort:
    """What a point costs: required items by main kind, items that are optional, and whether students must be seen."""

    video: int = 0
    document: int = 0
    image: int = 0
    text: int = 0
    data: int = 0
    optional: int = 0
    students_on_camera: bool = False


@dataclass(frozen=True, slots=True)
class PointFacts:
    """What choosing needs to know of a point."""

    code: str
    dimension: str
    environment: str
    effort: Effort = Effort()


@dataclass(frozen=True, slots=True)
class ChoiceRule:
    """A programme's choice rule; the defaults are the commonest provincial ones. Raises Invalid naming the field."""

    required_points: int = 3
    min_dimensions: int = 2
    environment_rule: EnvironmentRule = EnvironmentRule.UP_TO
    environment_order: tuple[str, ...] = ("multimedia", "blended", "smart")
    compulsory: tuple[str, ...] = ()
    not_offered: tuple[str, ...] = ()  # points that nobody may choose here
    only: tuple[str, ...] = ()  # codes of points, environments, dimensions: one of them a point must be; () = any

    def __post_init__(self) -> None:
        wrong: dict[str, str | tuple[str, dict[str, object]]] = {}
        if self.environment_rule not in tuple(EnvironmentRule):
            wrong["environment_rule"] = "choice.environment_rule_unknown"
        if self.required_points < 1:
            wrong["required_points"] = "choice.required_points_low"
        elif not 1 <= self.min_dimensions <= self.required_points:
            wrong["min_dimensions"] = ("choice.dimensions_out_of_range", {"most": self.required_points})
        if len(set(self.compulsory)) > self.required_points >= 1:
            wrong["compulsory"] = ("choice.compulsory_too_many", {"most": self.required_points})
        if wrong:
            raise Invalid(wrong)
        # A rule read back from JSON (strings and lists) is the same rule.
        object.__setattr__(self, "environment_rule", EnvironmentRule(self.environment_rule))
        object.__setattr__(self, "environment_order", tuple(self.environment_order))
        object.__setattr__(self, "compulsory", tuple(self.compulsory))
        object.__setattr__(self, "not_offered", tuple(self.not_offered))
        object.__setattr__(self, "only", tuple(self.only))


@dataclass(frozen=True, slots=True)
class ChoiceState:
    """What a choice still misses.

    A point outside the environment, or one that is not offered (any more), must be given back: it counts neither as a
    point nor for its dimension. `outside_environment` holds both, `not_offered` the latter alone; `out_of_range`
    holds those that are not left to choose from (`ChoiceRule.only`).
    `is_dead_end`: keeping all the points that fit, the places left do not suffice: something must be exchanged
    (A5 + A6 + A7: three points, one dimension). `next_dimensions`: where it is not empty, every further point has to
    come from one of these, or the choice becomes a dead end. `environment_undeclared`: the rule looks at the school's
    environment but the school has declared none; everything is allowed until it does.
    """

    points_missing: int
    dimensions_missing: int
    used_dimensions: tuple[str, ...]
    next_dimensions: tuple[str, ...]
    outside_environment: tuple[str, ...]
    not_offered: tuple[str, ...]
    out_of_range: tuple[str, ...]
    compulsory_missing: tuple[str, ...]
    must_be_new_dimension: bool
    must_be_compulsory: bool
    is_dead_end: bool
    environment_undeclared: bool
    is_complete: bool


def in_range(rule: ChoiceRule, point: PointFacts) -> bool:
    """Whether the point is among those that the rule leaves to choose from, whatever a school declares. A compulsory
    point always is."""
    if not rule.only or point.code in rule.compulsory:
        return True
    return point.code in rule.only or point.environment in rule.only or point.dimension in rule.only


def allowed(rule: ChoiceRule, point: PointFacts, declared_environment: str) -> bool:
    """Whether a school with these environments (codes, a blank between) may use the point; "" (none declared) allows
    every point that is left to choose from.

    An environment that the order does not know allows its own points alone. A compulsory point is asked of every
    school, so every school may use it; one that is not offered is for none.
    """
    if point.code in rule.not_offered or not in_range(rule, point):
        return False
    if rule.environment_rule == EnvironmentRule.FREE or not declared_environment or point.code in rule.compulsory:
        return True
    declared = declared_environment.split()
    if point.environment in declared:
        return True
    order = rule.environment_order
    if rule.environment_rule == EnvironmentRule.EXACT or point.environment not in order:
        return False
    place = order.index(point.environment)
    return any(place <= order.index(one) for one in declared if one in order)


def missing(
    rule: ChoiceRule,
    chosen: Sequence[PointFacts],
    declared_environment: str,
    points: Sequence[PointFacts] = (),
    kept: Collection[str] = (),
) -> ChoiceState:
    """What `chosen` still misses. A point chosen twice is one point; more than are required are no fault.

    `kept`: codes that cannot be given back any more; the school may have declared another environment since.

    `points` is the whole framework: with it `next_dimensions` can be named and compulsory points are known by their
    dimension; without it `next_dimensions` is empty and every compulsory point is taken to bring a new dimension.
    """
    by_code = {point.code: point for point in chosen}
    inside = [p for p in by_code.values() if p.code in kept or allowed(rule, p, declared_environment)]
    outside = tuple(code for code, point in by_code.items() if point not in inside)
    used = tuple(dict.fromkeys(point.dimension for point in inside))
    places = max(0, rule.required_points - len(inside))
    dimensions_missing = max(0, rule.min_dimensions - len(used))
    compulsory = tuple(code for code in dict.fromkeys(rule.compulsory) if code not in {p.code for p in inside})

    known = {point.code: point for point in points}
    brought = {known[code].dimension if code in known else code for code in compulsory} - set(used)
    # Points that must still come at the least: the compulsory ones, and one for each dimension they do not bring.
    needed = len(compulsory) + max(0, dimensions_missing - len(brought))
    must_be_new = dimensions_missing > 0 and dimensions_missing >= places
    next_dimensions: tuple[str, ...] = ()
    if must_be_new:
        open_points = (point for point in points if allowed(rule, point, declared_environment))
        next_dimensions = tuple(dict.fromkeys(p.dimension for p in open_points if p.dimension not in used))
    return ChoiceState(
        points_missing=places,
        dimensions_missing=dimensions_missing,
        used_dimensions=used,
        next_dimensions=next_dimensions,
        outside_environment=outside,
        not_offered=tuple(code for code in outside if code in rule.not_offered),
        out_of_range=tuple(
            code for code in outside if code not in rule.not_offered and not in_range(rule, by_code[code])
        ),
        compulsory_missing=compulsory,
        must_be_new_dimension=must_be_new,
        must_be_compulsory=bool(compulsory) and len(compulsory) >= places,
        is_dead_end=needed > places,
        environment_undeclared=rule.environment_rule != EnvironmentRule.FREE and not declared_environment,
        is_complete=not (places or dimensions_missing or outside or compulsory),
    )


def most_possible(rule: ChoiceRule, points: Sequence[PointFacts], declared_environment: str) -> tuple[int, int]:
    """What a teacher of a school with this environment can bring together at best: how many points there are to choose
    from, and of how many dimensions those required can be, the compulsory ones among them."""
    open_points = [point for point in points if allowed(rule, point, declared_environment)]
    compulsory = {point.code: point.dimension for point in points if point.code in rule.compulsory}
    dimensions = {point.dimension for point in open_points}
    free_places = max(0, rule.required_points - len(compulsory))
    return len(open_points), min(len(dimensions), len(set(compulsory.values())) + free_places)


def meets(rule: ChoiceRule, passed: Sequence[PointFacts]) -> bool:
    """Whether passed points are what the rule wants of a finished person: enough, of enough dimensions, compulsory
    ones among them. The environment, and what is offered, was asked when they were chosen: what a school declares or a
    district drops later takes none back."""
    return missing(rule, passed, "", kept={point.code for point in passed}).is_complete


def fitting_sets(
    rule: ChoiceRule,
    suggested_sets: Sequence[Sequence[str]],
    points: Sequence[PointFacts],
    declared_environment: str,
) -> tuple[tuple[str, ...], ...]:
    """The suggested sets (codes that one lesson can fill) which the rule lets a teacher take whole.

    A set fits when each of its points exists and is allowed, it has no more points than required, and it leads to no
    dead end (so a set that leaves no place for a compulsory point is not offered).
    """
    known = {point.code: point for point in points}
    fitting = []
    for codes in suggested_sets:
        if not codes or len(set(codes)) > rule.required_points or any(code not in known for code in codes):
            continue
        state = missing(rule, [known[code] for code in codes], declared_environment, points)
        if not state.outside_environment and not state.is_dead_end:
            fitting.append(tuple(codes))
    return tuple(fitting)
