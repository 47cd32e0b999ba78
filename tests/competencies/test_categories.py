"""类别: what rules say of one kind of people alone, and what several declared environments leave to choose."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from competencies import Category, Rules, choice_rule, packs, rules
from competencies.choosing import ChoiceRule, EnvironmentRule, allowed, missing

POINTS = packs.load("framework_2_0").facts()
ENVIRONMENTS = ("multimedia", "blended", "smart")
PARTS = st.sampled_from(sorted({part for point in POINTS for part in (point.code, point.environment, point.dimension)}))
NUMBER = st.none() | st.integers(1, 4)
OWN = st.fixed_dictionaries(
    {
        "required_points": NUMBER,
        "only": st.lists(PARTS, max_size=4, unique=True),
        "practice_need_hundredths": st.none() | st.integers(0, 100_000),
        "online_need_hundredths": st.none() | st.integers(0, 100_000),
    }
)


@given(own=OWN, category=st.sampled_from(Category), other=st.sampled_from(Category), best=NUMBER)
def test_what_is_said_of_a_category_holds_for_it_alone(
    own: dict[str, Any], category: Category, other: Category, best: int | None
) -> None:
    usual = {"choice": {"required_points": 4}, "result": {"excellent_points": best}}
    rules = Rules.model_validate({**usual, "categories": [{"category": category, **own}]})
    theirs = rules.for_category(category)
    hours = theirs.hours.practice_need_hundredths, theirs.hours.online_need_hundredths
    assert theirs.choice.required_points == (own["required_points"] or 4)
    assert theirs.choice.only == tuple(own["only"])
    assert hours == tuple(
        2500 if own[name] is None else own[name] for name in ("practice_need_hundredths", "online_need_hundredths")
    )
    # Fewer points than usual still make rules that somebody can meet.
    assert Rules.model_validate({**theirs.model_dump(), "categories": ()}).choice == theirs.choice
    if other is not category:
        assert rules.for_category(other) is rules
    assert rules.for_category(None) is rules


def test_rules_that_know_no_categories_stay_the_same_rules() -> None:
    assert not {"concerns", "categories"} & Rules().canonical().keys()
    assert "only" not in Rules().canonical()["choice"]
    rules = Rules.model_validate({"concerns": ["principal"], "categories": [{"category": "principal", "target": 3}]})
    assert Rules.model_validate(rules.canonical()) == rules
    assert rules.content_hash() != Rules().content_hash()


@given(concerns=st.sets(st.sampled_from(Category)), category=st.none() | st.sampled_from(Category))
def test_nobody_is_turned_away_whose_category_is_not_known(concerns: set[Category], category: Category | None) -> None:
    rules = Rules(concerns=tuple(concerns))
    assert rules.is_for(category) == (not concerns or category is None or category in concerns)


@given(
    only=st.lists(PARTS, max_size=4, unique=True),
    rule=st.sampled_from(EnvironmentRule),
    compulsory=st.sampled_from(["A3", "C7"]),
    declared=st.lists(st.sampled_from(ENVIRONMENTS), unique=True),
)
def test_several_environments_allow_what_each_of_them_allows(
    only: list[str], rule: EnvironmentRule, compulsory: str, declared: list[str]
) -> None:
    narrow = ChoiceRule(environment_rule=rule, only=tuple(only), compulsory=(compulsory,))
    wide = ChoiceRule(environment_rule=rule, compulsory=(compulsory,))
    for point in POINTS:
        together = allowed(wide, point, " ".join(declared))
        assert together == (not declared or any(allowed(wide, point, one) for one in declared))
        in_range = not only or point.code == compulsory or {point.code, point.environment, point.dimension} & set(only)
        assert allowed(narrow, point, " ".join(declared)) == bool(together and in_range)


def test_a_chosen_point_beyond_the_range_must_be_given_back_unless_it_is_kept() -> None:
    rules = Rules.model_validate({"categories": [{"category": "backbone", "only": ["blended", "A3"]}]})
    rule = choice_rule(rules.for_category(Category.BACKBONE))
    chosen = [point for point in POINTS if point.code in {"A3", "A5", "B1"}]
    state = missing(rule, chosen, "smart", POINTS)
    assert (state.out_of_range, state.points_missing, state.is_complete) == (("A5",), 1, False)
    assert missing(rule, chosen, "smart", POINTS, kept={"A5"}).is_complete


def test_codes_are_kept_as_the_framework_spells_them() -> None:
    content = {
        "framework": {
            "environments": [{"code": "room", "zh": "普通教室", "en": "Plain class room"}],
            "dimensions": [{"code": "inquiry", "zh": "探究", "en": "Inquiry"}],
        },
        "points": [{"code": "XM-1"}, {"code": "xm.2"}, {"code": "a"}, {"code": "A"}],
    }
    typed = Rules.model_validate(
        {
            "choice": {
                "compulsory": ["xm-1", "a"],
                "not_offered": ["XM.2"],
                "only": ["普通教室", "INQUIRY", "XM-1", "xm-1", "Z9"],
            },
            "categories": [{"category": "coach", "only": ["plain CLASS room"]}],
        }
    )
    kept = rules.as_spelt(typed, content)
    assert (kept.choice.compulsory, kept.choice.not_offered) == (("XM-1", "a"), ("xm.2",))
    assert kept.choice.only == ("room", "inquiry", "XM-1", "Z9")
    assert kept.categories[0].only == ("room",)
    assert rules.as_spelt(kept, content) == kept
