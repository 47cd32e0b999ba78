"""Every rule of a round said in words: 对教师意味着什么, on its page, in its form and in an auditor's proof."""

from types import MappingProxyType

import competencies
from competencies import Files, ReviewPolicy, Rules
from lms_plugin.flow.curate_views import ProgrammeView
from lms_plugin.web import appeal_form, category_form, chain_form, formats, marks, uncertain
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.formats import ngettext
from lms_plugin.web.programme_form import choice_words

MB = 1024 * 1024


def teacher_words(view: ProgrammeView) -> list[tuple[str, str]]:
    """对教师意味着什么: (what about, one sentence), every setting of a round once."""
    days = _(
        "%(start)s 开始，%(submit)s交齐，%(review)s评完，%(end)s结束。",
        start=formats.day(view.opens_on),
        submit=formats.deadline(view.submit_by_on),
        review=formats.deadline(view.review_by_on),
        end=formats.deadline(view.closes_on),
    )
    own, called = view.framework.level_words, []
    if own:
        words = {"high": marks.point_word(2, own), "low": marks.point_word(1, own), "below": marks.point_word(0, own)}
        called = [
            (_("等次的叫法"), _("这份标准叫%(high)s、%(low)s、%(below)s；下面依次写作优秀、合格、不合格。", **words))
        ]
    return [(_("什么时候"), days), *called, *rule_words(view.rules, view.undeclared, view.names)]


def _called(rules: Rules) -> str:
    """分批 as a sentence."""
    if not rules.cohorts:
        return _("应参训的老师都从项目开始起参加。")
    years = _("，").join(_("%(year)s 年 %(n)s%%", year=one.year, n=one.percent) for one in rules.cohorts)
    return _("分批参加：%(years)s。轮到哪一年看自己的页面；没轮到的也可以先做，进度只数已经轮到的人。", years=years)


def rule_words(
    rules: Rules, undeclared: int = 0, names: category_form.Names = MappingProxyType({})
) -> list[tuple[str, str]]:
    """A rule version in words: (what about, one sentence). `undeclared`: schools that said no environment; `names`: of
    the environments and dimensions of the framework."""
    called = part_names()
    return [(called[part], sentence) for part, sentence in parts(rules, undeclared, names).items() if sentence]


def part_names() -> dict[str, str]:
    """The parts into which the rules fall, on the page of a round and in its form, in their order."""
    return {
        "who": _("谁参加"),
        "categories": _("分类要求"),
        "choice": _("选能力点"),
        "handing_in": _("提交与撤回"),
        "files": _("材料的件数、大小和类型"),
        "review": _("互评"),
        "hours": _("学时"),
        "trainings": _("培训"),
        "result": _("结果"),
        "chain": _("考核流程"),
        "release": _("发布"),
        "appeals": _("申请复核"),
        "goal": _("目标"),
    }


def parts(rules: Rules, undeclared: int = 0, names: category_form.Names = MappingProxyType({})) -> dict[str, str]:
    """Each part (`part_names`) in a sentence or several; "" where the rules say nothing of it."""
    choice, review, hours, result = rules.choice, rules.review, rules.hours, rules.result
    options = {key: dict(words) for key, words in choice_words().items()}
    write = formats.hours
    chosen = [
        _(
            "选 %(n)s 个能力点，来自至少 %(d)s 个维度；环境：%(environment)s。",
            n=choice.required_points,
            d=choice.min_dimensions,
            environment=options["environment_rule"][choice.environment_rule],
        )
    ]
    if undeclared:
        chosen.append(_("现在有 %(n)s 所学校没有申报环境，这些学校的老师暂时不限。", n=undeclared))
    if choice.points_in_paper:
        chosen.append(_("本地文件一共列出 %(n)s 个能力点。", n=choice.points_in_paper))
    if choice.not_offered:
        chosen.append(_("本地文件没有、不能选的：%(codes)s。", codes=_("、").join(choice.not_offered)))
    if choice.only:
        chosen.append(_("只能从这些里选：%(range)s。", range=category_form.range_words(choice.only, names)))
    if choice.compulsory:
        chosen.append(_("必选：%(codes)s。", codes=_("、").join(choice.compulsory)))
    if choice.change_until == "decided":
        chosen.append(_("选好的点在第一次评定以前都能换；以后由学校管理员取下，写明原因。"))
    if choice.school_confirms:
        chosen.append(_("选好的点由学校管理员确认，不合适的写明原因退回；确认以前可以准备和提交，但不评定。"))
    peers = [_("没有互评，由评审员直接认定。")]
    if review.reviews_per_work:
        peers = [
            _(
                "每份材料由 %(n)s 位同行评审，从%(pool)s中来；每人最多评 %(most)s 份，每份约 %(minutes)s 分钟。",
                n=review.reviews_per_work,
                pool=options["pool"][review.pool],
                most=review.max_reviews,
                minutes=review.minutes_per_review,
            ),
            _named(review.blind),
            _of_subjects(review),
        ]
        if review.peer_due:
            peers.append(
                _("参加的老师每人应评 %(n)s 份；分到的不够，有缺人的作业可以自己领来补足。", n=review.peer_due)
            )
        if review.stages != "any":
            peers.append(_("只由同学段的人评。") if review.stages == "same" else _("只由别的学段的人评。"))
        if review.lease_hours:
            peers.append(_("打开以后 %(n)s 小时没有保存的，可能转给别的老师评；写过的都留着。", n=review.lease_hours))
        if review.claims:
            peers.append(_("有作业缺评审人时，老师可以自己再领，每人最多 %(n)s 份。", n=review.claims))
        peers.append(
            _(
                "分到的不能评，每人最多有 %(n)s 次可以说明理由不评；认识作者的随时申请回避，不算次数。",
                n=review.declines,
            )
            if review.declines
            else _("分到的都要评；认识作者的随时申请回避。")
        )
        peers.append(uncertain.rule(review.score))
        if review.course_groups == "first":
            peers.append(_("平台课程分了小组的，先由同小组的人评，不够再请组外的人。"))
        if review.course_groups == "only":
            peers.append(_("平台课程分了小组的，只由同小组的人评。"))
        if review.third_when_differing:
            peers.append(_("两人意见不同时再请第三人。"))
        if review.calibration == "before":
            peers.append(_("第一次评审以前，先练习 %(n)s 份有参考评分的样例。", n=review.calibration_items))
        if review.calibration == "mixed":
            peers.append(_("要评的作业里会夹 %(n)s 份有参考评分的样例，交了才知道是哪份。", n=review.calibration_items))
        if review.returned_to == "peers":
            peers.append(_("退回以后重交的，先由同行再评。"))
        if review.duty == "hold":
            peers.append(_("分给自己的互评没评完，自己的学时先不记，评完或本轮结束就补记；交材料、被评和看结果照常。"))
        if review.exclude_own_group:
            peers.append(_("本校和同一学区（学校联盟）的人不评。"))
        elif review.exclude_own_school:
            peers.append(_("本校的人不评本校的材料。"))
        if (review.exclude_own_group or review.exclude_own_school) and review.exclude_former_colleagues:
            peers.append(_("一年以内（或本轮里）在一所学校共过事的，也不互相评。"))
        if review.exclude_past_reviewers:
            peers.append(_("评过同一位作者的，不再评这位作者的。"))
    if review.pass_clear:
        peers.append(
            _(
                "评审截止以后，互评明显合格的（至少 %(n)s 人评，人人都判合格，离合格线不近）自动通过，"
                "不用评审员看；发布前评审员和管理员都能撤销。",
                n=max(2, review.reviews_per_work),
            )
        )
    if review.decide_days:
        peers.append(
            _("互评评完（没有互评的，交上来）以后，评审员 %(n)s 天内认定；超过的单独列出来。", n=review.decide_days)
        )
    worth = {
        "per_set": _("要求的能力点都合格后，记实践应用 %(n)s 学时。", n=write(hours.practice_hundredths)),
        "per_point_cumulative": _(
            "每合格一个能力点记一部分，全部合格时共 %(n)s 学时。", n=write(hours.practice_hundredths)
        ),
        "per_level": _(
            "每个能力点合格记 %(a)s 学时，优秀记 %(b)s 学时。",
            a=write(hours.pass_hundredths),
            b=write(hours.excellent_hundredths),
        ),
    }
    earned = [
        worth[hours.kind],
        _("最多 %(n)s 学时。", n=write(hours.cap_hundredths)),
        _(
            "要修满实践应用 %(a)s 学时、网络研修 %(b)s 学时（由管理员导入）。",
            a=write(hours.practice_need_hundredths),
            b=write(hours.online_need_hundredths),
        ),
    ]
    rule = competencies.hours_rule(rules)
    most = competencies.practice_total(rule, [competencies.Level.EXCELLENT] * rule.required_points)
    if most < hours.practice_need_hundredths:
        short = write(hours.practice_need_hundredths - most)
        earned.append(_("能力点最多记 %(n)s 学时，还差的 %(short)s 学时要另外修。", n=write(most), short=short))
    if hours.per_credit_point_hundredths:
        earned.append(_("每 %(n)s 学时合 1 学分。", n=write(hours.per_credit_point_hundredths)))
    outcome = [
        _("要求的能力点都合格以上，结果就是合格。"),
        _("全部优秀，结果是优秀。")
        if result.excellent_points is None
        else _("其中至少 %(n)s 个优秀，结果是优秀。", n=result.excellent_points),
        _("还要学时修满才算合格。") if result.needs_hours else _("学时不影响结果。"),
    ]
    if result.retakes is not None:
        outcome.append(
            ngettext(
                "不合格的能力点最多重新准备 %(n)s 次。",
                "不合格的能力点最多重新准备 %(n)s 次。",
                result.retakes,
                n=result.retakes,
            )
            if result.retakes
            else _("不合格的能力点不能重新准备，可以换一个。")
        )
    handing_in = [
        _("提交前先自评。") if review.self_marks else _("不用自评。"),
        _("评审员打开之前都能撤回；提交后至少 %(n)s 分钟内不会分给人评。", n=review.withdraw_minutes),
    ]
    when = (
        _("评审员认定 %(n)s 天后自动发布，发布以后才记学时、回传成绩。", n=rules.release.after_days)
        if rules.release.after_days
        else _("由管理员或管理员邀请的评审员发布，发布以后才记学时、回传成绩。")
    )
    stages, said = chain_form.words(rules.chain), category_form.words(rules, names)
    if rules.chain.goes_by_batch:
        when = chain_form.release_words(rules.chain)
    own = said[1:] if rules.concerns else said
    return {
        "who": _paragraph([*said[:1], _called(rules)] if rules.concerns else [_called(rules)]),
        "categories": _paragraph(own),
        "choice": _paragraph(chosen),
        "handing_in": _paragraph(handing_in),
        "review": _paragraph(peers),
        "files": _paragraph(_of_files(rules.files)),
        "hours": _paragraph(earned),
        "trainings": _(
            "参加培训每 %(minutes)s 分钟记 1 学时，培训结束、管理员核对以后才记；每所学校每学期至少 %(n)s 次。",
            minutes=rules.trainings.minutes_per_hour,
            n=rules.trainings.per_term,
        ),
        "result": _paragraph(outcome),
        "chain": _paragraph(stages),
        "release": when,
        "appeals": _paragraph(appeal_form.words(rules.appeals)),
        "goal": _("全区县合格率 %(goal)s%%。", goal=rules.goal_percent),
    }


def _named(blind: str) -> str:
    """Who knows whom in reviews, as a sentence."""
    words = {
        "double": _("匿名：评的人看不到作者，作者也看不到评的人。"),
        "single": _("评的人看得到作者的姓名和学校，作者看不到评的人。"),
        "open": _("评的人看得到作者，结果出来以后作者也看得到是谁评的。"),
    }
    return words[blind]


def _of_subjects(review: ReviewPolicy) -> str:
    if review.subjects == "any":
        return _("优先同学科。") if review.prefer_same_subject else _("不分学科。")
    return _("只由同学科的人评。") if review.subjects == "same" else _("只由别的学科的人评。")


def _of_files(files: Files) -> list[str]:
    """What the programme takes less of than its standard; nothing where it is the same."""
    said = []
    if files.most_pieces:
        said.append(_("每一项最多交 %(n)s 件。", n=files.most_pieces))
    if files.most_mb:
        said.append(_("每个文件不超过 %(size)s（录像、录音除外）。", size=formats.filesize(files.most_mb * MB)))
    if files.most_film_mb:
        said.append(_("每段录像、录音不超过 %(size)s。", size=formats.filesize(files.most_film_mb * MB)))
    if files.not_taken:
        endings = (", " if formats.is_english() else "、").join(files.not_taken)
        said.append(_("不收这些类型：%(endings)s（只收这些类型的那一项除外）。", endings=endings))
    return said


FORM = {
    "who": ("who",),
    "choice": ("choice",),
    "categories": ("categories",),
    "review": ("handing_in", "review"),
    "files": ("files",),
    "hours": ("hours", "trainings"),
    "result": ("result", "release", "goal"),
    "appeals": ("appeals",),
    "chain": ("chain",),
}
"""What each part of the form (`programme_form.PARTS`) holds of `parts`."""


def form_words(rules: Rules) -> dict[str, str]:
    """What stands in each part of the form, so that nobody has to open it to know."""
    said = parts(rules)
    said["categories"] = said["categories"] or _("没有分类要求，大家一样。")
    said["files"] = said["files"] or _("大小、件数和类型照标准里各项写的。")
    said["chain"] = said["chain"] or _("没有校级认定、县级抽查和公示：由评审员认定。")
    return {part: _paragraph([said[one] for one in held]) for part, held in FORM.items()}


def _paragraph(sentences: list[str]) -> str:
    """Whole sentences in a row, as the page's language joins them."""
    return (" " if formats.is_english() else "").join(sentences)
