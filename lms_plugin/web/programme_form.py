"""The form of a round: text fields to typed rules and back, and every rule said in words."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import competencies
from competencies import Choice, Cohort, Files, Hours, Release, ResultRule, ReviewPolicy, Rules, Trainings
from lms_plugin.errors import Invalid
from lms_plugin.flow.curate import ProgrammeForm
from lms_plugin.flow.curate_views import ProgrammeView
from lms_plugin.web import appeal_form, category_form, chain_form, formats, uncertain
from lms_plugin.web.formats import gettext as _

DATES = ("opens_on", "submit_by_on", "review_by_on", "closes_on")
# field: (least, most)
NUMBERS = {
    "required_points": (1, 30),
    "min_dimensions": (1, 4),
    "reviews_per_work": (0, 5),
    "max_reviews": (1, 30),
    "lease_hours": (0, 720),
    "claims": (0, 30),
    "declines": (0, 30),
    "withdraw_minutes": (0, 7 * 24 * 60),
    "minutes_per_review": (1, 120),
    "decide_days": (0, 90),
    "calibration_items": (1, 5),
    "peer_due": (0, 30),
    "after_days": (0, 90),
    "goal_percent": (1, 100),
    "minutes_per_hour": (1, 240),
    "trainings_per_term": (0, 20),
    **appeal_form.NUMBERS,
    "most_pieces": (0, 9),
    "most_mb": (0, 2048),
    "most_film_mb": (0, 2048),
    **chain_form.NUMBERS,
}
HOURS = ("practice", "pass", "excellent", "cap", "practice_need", "online_need")
FLAGS = (
    "school_confirms",
    "third_when_differing",
    "exclude_own_school",
    "exclude_own_group",
    "exclude_past_reviewers",
    "exclude_former_colleagues",
    "prefer_same_subject",
    "self_marks",
    "pass_clear",
    "needs_hours",
    *appeal_form.FLAGS,
    *chain_form.FLAGS,
    *category_form.FLAGS,
)
OPTIONAL = {"excellent_points": (1, 30), "points_in_paper": (1, 200), **chain_form.OPTIONAL}
CHOICES = {
    "environment_rule": ("exact", "up_to", "free"),
    "change_until": ("opened", "decided"),
    "pool": ("own_school", "own_group", "district"),
    "course_groups": ("off", "first", "only"),
    "subjects": ("any", "same", "other"),
    "stages": ("any", "same", "other"),
    "score": ("severity", "mean", "median"),
    "calibration": ("off", "before", "mixed"),
    "blind": ("double", "single", "open"),
    "duty": ("remind", "hold"),
    "returned_to": ("trainer", "peers"),
    "hours_kind": ("per_set", "per_point_cumulative", "per_level"),
    **appeal_form.CHOICES,
}
PARTS = {
    "who": (*category_form.FLAGS, "cohorts"),
    "choice": (
        *("required_points", "min_dimensions", "environment_rule", "points_in_paper"),
        *("not_offered", "change_until", "school_confirms", "compulsory", "only"),
    ),
    "categories": category_form.FIELDS,
    "review": (
        *("blind", "reviews_per_work", "third_when_differing", "max_reviews", "peer_due", "pool", "exclude_own_school"),
        *("exclude_own_group", "exclude_former_colleagues", "subjects", "stages", "exclude_past_reviewers"),
        *("prefer_same_subject", "course_groups", "lease_hours", "claims", "declines", "withdraw_minutes"),
        *("minutes_per_review", "self_marks", "score", "returned_to", "decide_days", "pass_clear"),
        *("calibration", "calibration_items", "duty"),
    ),
    "files": ("most_pieces", "most_mb", "most_film_mb", "not_taken"),
    "hours": ("hours_kind", *HOURS, "per_credit_point", "minutes_per_hour", "trainings_per_term"),
    "result": ("excellent_points", "needs_hours", "retakes", "after_days", "goal_percent"),
    "appeals": appeal_form.FIELDS,
    "chain": (*chain_form.FLAGS, *chain_form.NUMBERS, *chain_form.OPTIONAL, "shown_to", *chain_form.DAYS),
}
"""The parts of the form that are folded, each with its fields; what is above them is asked of everybody."""
Wrong = dict[str, str | tuple[str, dict[str, Any]]]


def choice_words() -> dict[str, list[tuple[str, str]]]:
    """The options of each choice, in words."""
    return {
        "environment_rule": [
            ("up_to", _("学校的环境及更基础的环境")),
            ("exact", _("只限学校的环境")),
            ("free", _("不限环境")),
        ],
        "change_until": [("opened", _("有人打开评审以前")), ("decided", _("第一次评定以前"))],
        "pool": [("own_group", _("本校，或本学区各校")), ("own_school", _("只限本校")), ("district", _("全区县"))],
        "score": uncertain.policies(),
        "calibration": [
            ("off", _("不用")),
            ("before", _("第一次评审以前先练习")),
            ("mixed", _("夹在要评的作业里，交了才知道是哪份")),
        ],
        "blind": [
            ("double", _("双方都看不到对方是谁")),
            ("single", _("评的人看得到作者，作者看不到评的人")),
            ("open", _("双方都看得到对方是谁")),
        ],
        "duty": [("remind", _("只提醒")), ("hold", _("评完或本轮结束以前，自己的学时先不记"))],
        "returned_to": [("trainer", _("退回的那位评审员")), ("peers", _("先由同行再互评"))],
        "course_groups": [
            ("off", _("不看小组")),
            ("first", _("先找同小组的人，不够再从上面的范围里找")),
            ("only", _("只找同小组的人，不够就显示缺口")),
        ],
        "subjects": [
            ("any", _("哪个学科的都可以评")),
            ("same", _("只请同学科的人评")),
            ("other", _("只请别的学科的人评")),
        ],
        "stages": [
            ("any", _("哪个学段的都可以评")),
            ("same", _("只请同学段的人评")),
            ("other", _("只请别的学段的人评")),
        ],
        "shown_to": chain_form.shown_to_words(),
        "hours_kind": [
            ("per_set", _("整组计：要求的能力点都合格，一次记满")),
            ("per_point_cumulative", _("逐点累计：每合格一个记一部分，最后一个补满")),
            ("per_level", _("按等次计：合格、优秀各记多少")),
        ],
        **appeal_form.words_of_choices(),
    }


def first_values(today: date, rules: Rules | None = None) -> dict[str, Any]:
    """A new round: every rule at its default, or as `rules` has it, and dates of a usual term."""
    dates = [today + timedelta(days=days) for days in (7, 49, 63, 77)]
    return {
        "title": "",
        "framework_version": "",
        "unit": "",
        **{key: day.isoformat() for key, day in zip(DATES, dates, strict=True)},
        **_values_of(rules or Rules.begun()),
    }


def values_of(view: ProgrammeView) -> dict[str, Any]:
    """A round as the form shows it."""
    return {
        "title": view.title,
        "framework_version": view.framework_uuid,
        "unit": view.unit_uuid,
        **{key: getattr(view, key).isoformat() for key in DATES},
        **_values_of(view.rules),
    }


def values_like(view: ProgrammeView, today: date) -> dict[str, Any]:
    """A new round with the rules, framework and unit of another one; its days lie as far apart, from next week on."""
    starts = today + timedelta(days=7)
    days = {key: (starts + (getattr(view, key) - view.opens_on)).isoformat() for key in DATES}
    return {**values_of(view), **days, "title": ""}


def differing(form: ProgrammeForm, view: ProgrammeView) -> dict[str, str]:
    """What stands now, for each field that says something else; a box says whether it is ticked."""
    typed = {
        "title": " ".join(form.title.split()),
        "framework_version": form.framework_version,
        "unit": form.unit,
        **{key: getattr(form, key).isoformat() for key in DATES},
        **_values_of(form.rules),
    }
    stands = {key: value for key, value in values_of(view).items() if str(value) != str(typed[key])}
    ticked = {True: _("勾上了"), False: _("没有勾")}
    return {key: ticked[value] if isinstance(value, bool) else str(value) for key, value in stands.items()}


def _values_of(rules: Rules) -> dict[str, Any]:
    hours = rules.hours
    return {
        "required_points": rules.choice.required_points,
        "min_dimensions": rules.choice.min_dimensions,
        "environment_rule": rules.choice.environment_rule,
        "change_until": rules.choice.change_until,
        "school_confirms": rules.choice.school_confirms,
        "compulsory": " ".join(rules.choice.compulsory),
        "not_offered": " ".join(rules.choice.not_offered),
        "points_in_paper": rules.choice.points_in_paper or "",
        **{
            key: getattr(rules.review, key)
            for key in (
                "reviews_per_work",
                "third_when_differing",
                "max_reviews",
                "lease_hours",
                "claims",
                "declines",
                "pool",
                "exclude_own_school",
                "exclude_own_group",
                "subjects",
                "stages",
                "exclude_past_reviewers",
                "exclude_former_colleagues",
                "prefer_same_subject",
                "course_groups",
                "withdraw_minutes",
                "minutes_per_review",
                "self_marks",
                "score",
                "returned_to",
                "decide_days",
                "pass_clear",
                "calibration",
                "calibration_items",
                "blind",
                "peer_due",
                "duty",
            )
        },
        **{key: getattr(rules.files, key) for key in ("most_pieces", "most_mb", "most_film_mb")},
        "not_taken": " ".join(rules.files.not_taken),
        "hours_kind": hours.kind,
        **{key: formats.hours(getattr(hours, f"{key}_hundredths")) for key in HOURS},
        "per_credit_point": formats.hours(hours.per_credit_point_hundredths)
        if hours.per_credit_point_hundredths
        else "",
        "excellent_points": rules.result.excellent_points or "",
        "needs_hours": rules.result.needs_hours,
        "retakes": "" if rules.result.retakes is None else rules.result.retakes,
        "after_days": rules.release.after_days,
        "goal_percent": rules.goal_percent,
        "minutes_per_hour": rules.trainings.minutes_per_hour,
        "trainings_per_term": rules.trainings.per_term,
        "cohorts": " ".join(f"{one.year}:{one.percent}" for one in rules.cohorts),
        "settings": rules.settings,
        "only": category_form.range_words(rules.choice.only),
        **appeal_form.values_of(rules.appeals),
        **chain_form.values_of(rules.chain),
        **category_form.values_of(rules),
    }


def typed_values(form: Mapping[str, str]) -> dict[str, Any]:
    """What was typed, as it is shown again beside an error."""
    names = (
        ("title", "framework_version", "unit", "compulsory", "not_offered", "per_credit_point", "retakes", *OPTIONAL),
        ("not_taken",),
        ("settings", "cohorts", "shown_to", "only", *DATES, *category_form.FIELDS),
        tuple(NUMBERS),
        HOURS,
        tuple(CHOICES),
    )
    values: dict[str, Any] = {name: str(form.get(name, "")).strip()[:300] for group in names for name in group}
    days = {name: str(form.get(name, "")).strip()[:4000] for name in chain_form.DAYS}
    return {**values, **days, **{name: form.get(name) == "1" for name in FLAGS}}


def parse(values: Mapping[str, Any]) -> ProgrammeForm:
    """Typed values of the form. Raises Invalid with a code beside each field that does not fit."""
    wrong: Wrong = {}
    numbers = {name: _whole(values[name], least, most, name, wrong) for name, (least, most) in NUMBERS.items()}
    amounts = {name: _hundredths(values[name], name, wrong) for name in HOURS}
    days = {name: _day(values[name], name, wrong) for name in DATES}
    for name, allowed in CHOICES.items():
        if values[name] not in allowed:
            wrong[name] = "form.choose"
    said = {
        name: _whole(values[name], least, most, name, wrong) if values[name] else 0
        for name, (least, most) in OPTIONAL.items()
    }
    excellent = said["excellent_points"] or None
    retakes = _whole(values["retakes"], 0, 20, "retakes", wrong) if values["retakes"] else None
    per_credit_point = _hundredths(values["per_credit_point"] or "0", "per_credit_point", wrong)
    cohorts = _cohorts(values["cohorts"], wrong)
    not_taken = tuple(dict.fromkeys(one.lstrip("*.").lower() for one in _codes(values["not_taken"])))
    if any(not one.isalnum() or len(one) > 10 for one in not_taken):
        wrong["not_taken"] = "programme.endings_form"
    compulsory, not_offered = _codes(values["compulsory"]), _codes(values["not_offered"])
    if both := [code for code in compulsory if code in not_offered]:
        wrong["not_offered"] = ("programme.compulsory_not_offered", {"points": "、".join(both)})
    if not wrong:
        if numbers["min_dimensions"] > numbers["required_points"]:
            wrong["min_dimensions"] = "programme.dimensions_over_points"
        if excellent is not None and excellent > numbers["required_points"]:
            wrong["excellent_points"] = "programme.excellent_too_many"
        if values["exclude_own_school"] and values["pool"] == "own_school":
            wrong["pool"] = "programme.pool_excludes_all"
        elif values["exclude_own_group"] and values["pool"] != "district":
            wrong["pool"] = "programme.pool_excludes_group"
        if amounts["excellent"] < amounts["pass"]:
            wrong["excellent"] = "programme.excellent_below_pass"
    if values["blind"] != "double" and values["calibration"] == "mixed":
        wrong |= {"calibration": "programme.mixed_with_names"}
    if numbers["peer_due"] > numbers["max_reviews"]:
        wrong.setdefault("peer_due", ("programme.due_over_most", {"most": numbers["max_reviews"]}))
    if values["pass_clear"] and numbers["reviews_per_work"] < 2:  # of one reviewer nobody can say how sure they are
        wrong |= {"pass_clear": "programme.pass_clear_few"}
    if values["pass_clear"] and values["panel"]:
        wrong |= {"pass_clear": "programme.pass_clear_by_panel"}
    chain = chain_form.parse(values, {**numbers, **said}, wrong)
    concerns, categories = category_form.parse(values, numbers["required_points"], wrong)
    if wrong:
        raise Invalid(wrong)
    rules = Rules(
        choice=Choice(
            required_points=numbers["required_points"],
            min_dimensions=numbers["min_dimensions"],
            environment_rule=values["environment_rule"],
            change_until=values["change_until"],
            school_confirms=values["school_confirms"],
            compulsory=compulsory,
            not_offered=not_offered,
            points_in_paper=said["points_in_paper"],
            only=category_form.typed_range(values["only"]),
        ),
        review=ReviewPolicy(
            reviews_per_work=numbers["reviews_per_work"],
            third_when_differing=values["third_when_differing"],
            max_reviews=numbers["max_reviews"],
            lease_hours=numbers["lease_hours"],
            claims=numbers["claims"],
            declines=numbers["declines"],
            pool=values["pool"],
            exclude_own_school=values["exclude_own_school"],
            exclude_own_group=values["exclude_own_group"],
            subjects=values["subjects"],
            stages=values["stages"],
            exclude_past_reviewers=values["exclude_past_reviewers"],
            exclude_former_colleagues=values["exclude_former_colleagues"],
            prefer_same_subject=values["prefer_same_subject"],
            course_groups=values["course_groups"],
            withdraw_minutes=numbers["withdraw_minutes"],
            minutes_per_review=numbers["minutes_per_review"],
            self_marks=values["self_marks"],
            score=values["score"],
            returned_to=values["returned_to"],
            decide_days=numbers["decide_days"],
            pass_clear=values["pass_clear"],
            calibration=values["calibration"],
            calibration_items=numbers["calibration_items"],
            blind=values["blind"],
            peer_due=numbers["peer_due"],
            duty=values["duty"],
        ),
        files=Files(
            most_pieces=numbers["most_pieces"],
            most_mb=numbers["most_mb"],
            most_film_mb=numbers["most_film_mb"],
            not_taken=not_taken,
        ),
        hours=Hours(
            kind=values["hours_kind"],
            practice_hundredths=amounts["practice"],
            pass_hundredths=amounts["pass"],
            excellent_hundredths=amounts["excellent"],
            cap_hundredths=amounts["cap"],
            practice_need_hundredths=amounts["practice_need"],
            online_need_hundredths=amounts["online_need"],
            per_credit_point_hundredths=per_credit_point,
        ),
        result=ResultRule(excellent_points=excellent, needs_hours=values["needs_hours"], retakes=retakes),
        release=Release(after_days=numbers["after_days"]),
        appeals=appeal_form.parse(values, numbers),
        trainings=Trainings(minutes_per_hour=numbers["minutes_per_hour"], per_term=numbers["trainings_per_term"]),
        chain=chain,
        goal_percent=numbers["goal_percent"],
        cohorts=cohorts,
        concerns=concerns,
        categories=categories,
        settings=values["settings"] if values["settings"] in competencies.provinces.ORDER else "",
    )
    return ProgrammeForm(
        title=values["title"], framework_version=values["framework_version"], unit=values["unit"], **days, rules=rules
    )


def _codes(text: Any) -> tuple[str, ...]:
    """Codes of points as people type them: "A3，a6、B1"."""
    typed = unicodedata.normalize("NFKC", str(text)).upper()
    return tuple(dict.fromkeys(code for code in re.split(r"[\s,、;]+", typed) if code))


def _cohorts(text: Any, wrong: Wrong) -> tuple[Cohort, ...]:
    """Years with their shares as people type them: "2026:30 2027：50% 2028 20"."""
    typed = " ".join(unicodedata.normalize("NFKC", str(text)).split())
    if not typed:
        return ()
    if not re.fullmatch(r"([0-9]{4} ?年? ?:? ?[0-9]{1,3} ?%?[ ,、;]*)+", typed):
        wrong["cohorts"] = "programme.cohorts_form"
        return ()
    pairs = [(int(a), int(b)) for a, b in re.findall(r"([0-9]{4}) ?年? ?:? ?([0-9]{1,3})", typed)]
    years = [year for year, _percent in pairs]
    if years != sorted(set(years)) or sum(percent for _year, percent in pairs) != 100 or len(pairs) > 10:
        wrong["cohorts"] = "programme.cohorts_sum"
    elif not all(2000 <= year <= 2100 and percent for year, percent in pairs):
        wrong["cohorts"] = "programme.cohorts_form"
    return () if "cohorts" in wrong else tuple(Cohort(year=year, percent=percent) for year, percent in pairs)


def _whole(text: Any, least: int, most: int, name: str, wrong: Wrong) -> int:
    typed = unicodedata.normalize("NFKC", str(text)).strip()
    value = int(typed) if re.fullmatch("[0-9]{1,6}", typed) else least - 1
    if not least <= value <= most:
        wrong[name] = ("form.number", {"least": least, "most": most})
    return value


def _hundredths(text: Any, name: str, wrong: Wrong) -> int:
    amount = competencies.hundredths(str(text))
    if amount is None or amount > 100_000:
        wrong[name] = ("form.number", {"least": 0, "most": 1000})
        return 0
    return amount


def _day(text: Any, name: str, wrong: Wrong) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        wrong[name] = "form.date"
        return date.min
