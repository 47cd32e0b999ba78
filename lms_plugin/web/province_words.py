"""Settings files in words: what of a round's rules a province's papers say, and what stands at a default."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import competencies
from competencies import Rules
from lms_plugin.web import formats, programme_form
from lms_plugin.web.formats import gettext as _


@dataclass(frozen=True)
class SaidLine:
    """One setting that a source says: what the file has, where that stands, and what the round has where it differs."""

    label: str
    value: str
    words: str
    source: str
    instead: str = ""


@dataclass(frozen=True)
class Basis:
    """What the rules of a round rest on. `unsaid`: the settings that no source says and that stand at the default;
    `changed`: those that no source says and that the round has otherwise."""

    name: str
    said: tuple[SaidLine, ...]
    facts: tuple[tuple[str, str], ...]
    unsaid: tuple[str, ...]
    changed: tuple[str, ...]


def labels() -> dict[str, str]:
    """Each setting of the rules by the name it has on the form."""
    return {
        "choice.required_points": _("每人选几个"),
        "choice.min_dimensions": _("至少来自几个维度"),
        "choice.environment_rule": _("环境"),
        "choice.compulsory": _("必选的能力点"),
        "choice.change_until": _("交了的能力点，教师什么时候以前可以换"),
        "choice.school_confirms": _("学校确认教师选的能力点"),
        "choice.not_offered": _("本地文件没有的能力点"),
        "choice.points_in_paper": _("本地文件列出几个能力点"),
        "choice.only": _("只能从这些里选"),
        "review.reviews_per_work": _("每份材料几人评"),
        "review.third_when_differing": _("两人意见不同时请第三人"),
        "review.max_reviews": _("每人最多评几份"),
        "review.lease_hours": _("几小时没动就转给别人评"),
        "review.claims": _("自己再领，每人最多几份"),
        "review.declines": _("每人最多几次说明理由不评"),
        "review.pool": _("评审人从哪里来"),
        "review.exclude_own_school": _("回避本校：不评本校的材料"),
        "review.exclude_own_group": _("回避本学区：不评本校和同一学区（学校联盟）各校的材料"),
        "review.subjects": _("学科"),
        "review.stages": _("学段"),
        "review.exclude_past_reviewers": _("评过一位作者的，不再评这位作者的"),
        "review.exclude_former_colleagues": _("回避以前的同事"),
        "review.prefer_same_subject": _("优先同学科"),
        "review.course_groups": _("按课程小组分配互评"),
        "review.withdraw_minutes": _("提交后至少几分钟可撤回"),
        "review.minutes_per_review": _("评一份大约几分钟"),
        "review.self_marks": _("提交前先自评"),
        "review.returned_to": _("退回以后重交的给谁看"),
        "review.score": _("怎样看出哪份作业拿不准"),
        "review.pass_clear": _("互评明显合格的，不用评审员看就通过"),
        "review.calibration": _("校准样例"),
        "review.calibration_items": _("每人几份校准样例"),
        "review.duty": _("分给自己的互评没评完时"),
        "review.decide_days": _("评完以后几天内认定"),
        "review.blind": _("互评时谁看得到谁"),
        "review.peer_due": _("每人应评几份"),
        "files.most_pieces": _("每一项最多交几件"),
        "files.most_mb": _("每个文件不超过多少 MB"),
        "files.most_film_mb": _("每段录像、录音不超过多少 MB"),
        "files.not_taken": _("不收的文件类型"),
        "hours.kind": _("怎样记实践应用学时"),
        "hours.practice_hundredths": _("一共记多少学时"),
        "hours.pass_hundredths": _("按等次计：一个合格记多少"),
        "hours.excellent_hundredths": _("按等次计：一个优秀记多少"),
        "hours.cap_hundredths": _("最多记多少"),
        "hours.practice_need_hundredths": _("实践应用要修满多少"),
        "hours.online_need_hundredths": _("网络研修要修满多少"),
        "hours.per_credit_point_hundredths": _("多少学时合 1 学分"),
        "result.excellent_points": _("几个优秀才算结果优秀"),
        "result.needs_hours": _("学时修满才算合格"),
        "result.retakes": _("不合格的最多重新准备几次"),
        "release.after_days": _("认定几天后自动发布"),
        "appeals.days": _("结果发布后几天内可以申请复核"),
        "appeals.answer_days": _("几天内答复"),
        "appeals.panel": _("谁来复核"),
        "appeals.may_fall": _("复核后等级也可能下调"),
        "goal_percent": _("合格率目标（百分比）"),
        "trainings.minutes_per_hour": _("参加培训多少分钟记 1 学时"),
        "trainings.per_term": _("每所学校每学期至少几次培训"),
        "chain.panel": _("校级认定：由学校的考核小组认定，不由评审员认定"),
        "chain.check": _("县级抽查"),
        "chain.check_percent": _("抽查合格的百分之几"),
        "chain.check_excellent": _("优秀的全部抽查"),
        "chain.excellent_cap_percent": _("优秀最多占合格以上的百分之几"),
        "chain.city_percent": _("市级抽查：县里通过的百分之几"),
        "chain.province_percent": _("省级抽查：县里通过的百分之几"),
        "chain.publicity": _("公示"),
        "chain.publicity_days": _("公示几个工作日"),
        "chain.shown_to": _("谁能看公示"),
        "chain.mask_names": _("公示里姓名中间打星号"),
        "chain.days_off": _("放假的日子"),
        "chain.workdays": _("调休上班的周末"),
        "cohorts": _("分几年参加"),
        "concerns": _("面向哪些人"),
        "categories": _("分类要求"),
    }


def settings_of(rules: Rules) -> Iterator[tuple[str, Any]]:
    """Each setting by its place in the rules, with what stands there."""
    for part, value in rules:
        if part == "settings":
            continue
        if hasattr(type(value), "model_fields"):
            yield from ((f"{part}.{name}", one) for name, one in value)
        else:
            yield part, value


def options() -> list[tuple[str, str]]:
    """The settings files that come with the product."""
    return [(one.code, formats.told(one.name.model_dump())) for one in competencies.provinces.every()]


def basis(rules: Rules) -> Basis | None:
    """What a round's rules rest on, where they began with a settings file."""
    if rules.settings not in competencies.provinces.ORDER:
        return None
    file, known = competencies.provinces.load(rules.settings), labels()
    began, said = dict(settings_of(file.rules())), {line.setting for line in file.lines}
    now = dict(settings_of(rules))
    rest = [key for key in now if key not in said]

    def label(key: str) -> str:
        return known.get(key, key)

    return Basis(
        name=formats.told(file.name.model_dump()),
        said=tuple(
            SaidLine(
                label=label(line.setting),
                value=_written(line.setting, line.value),
                words=formats.told({"zh": line.zh, "en": line.en}),
                source=file.sources[line.source],
                instead=_written(line.setting, now[line.setting]) if now[line.setting] != line.value else "",
            )
            for line in file.lines
        ),
        facts=tuple((formats.told({"zh": one.zh, "en": one.en}), file.sources[one.source]) for one in file.facts),
        unsaid=tuple(label(key) for key in rest if now[key] == began[key]),
        changed=tuple(label(key) for key in rest if now[key] != began[key]),
    )


def _written(setting: str, value: Any) -> str:
    if setting.endswith("_hundredths"):
        return formats.hours(value)
    if setting == "choice.environment_rule":
        return dict(programme_form.choice_words()["environment_rule"])[value]
    return str(value)
