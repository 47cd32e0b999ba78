"""课程检查, line by line: what a tick or a cross says, and beside each cross what to do in that product's words."""

from collections.abc import Callable
from dataclasses import dataclass

from lms_plugin.flow.course_check import Facts
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.formats import when
from lms_plugin.web.platform_labels import family

REFUSED = ("ags.refused", "ags.scope_refused", "ags.token_refused", "nrps.emptied")  # what switching it on may mend


@dataclass(frozen=True)
class CheckLine:
    """One line. `kind`: good | stop | wait | note (nothing is wrong, but it cannot be known). `cures`: what to do."""

    kind: str
    title: str
    detail: str = ""
    cures: tuple[str, ...] = ()
    link: tuple[str, str] | None = None


def lines(facts: Facts, timezone: str, explain: Callable[[str], str]) -> list[CheckLine]:
    """All lines of the page; `explain` gives the sentence of an error's code."""
    found = [
        _active(facts, timezone),
        _space(facts),
        _programme(facts),
        _chooser(facts),
        _students(facts),
        _names(facts),
        _grades(facts),
        _members(facts, timezone, explain),
        _enrolled(facts),
        _sides(facts),
    ]
    return [line for line in found if line is not None]


def _active(facts: Facts, timezone: str) -> CheckLine:
    if facts.is_disabled:
        return CheckLine("stop", _("平台已停用，谁也进不来"), cures=(_("技术管理员在“平台”里把它启用。"),))
    if not facts.has_come:
        return CheckLine("note", _("已启用"), _("还没有人从这门课打开过。"))
    return CheckLine("good", _("已启用"), _("最近有人打开：%(when)s", when=when(facts.seen_at, timezone)))


def _space(facts: Facts) -> CheckLine | None:
    """Only where the host does not say which course it is."""
    if facts.names_course:
        return None
    return CheckLine(
        "note",
        _("平台没有说这是哪门课"),
        _("每一处活动就单独算一门：各定各的项目，各送各的成绩，彼此看不到对方的人。"),
        (_("要按课程算，请平台的管理员让本工具打开时带上课程（context）。"),),
    )


def _programme(facts: Facts) -> CheckLine:
    if facts.programme:
        link = (_("换项目"), f"/courses/{facts.uuid}/programme") if facts.may_see_people else None
        return CheckLine("good", _("做的培训项目"), facts.programme, link=link)
    return CheckLine(
        "stop",
        _("还没有定做哪个培训项目"),
        _("定好以前，参训教师进来只看到“培训尚未开始”。"),
        link=(_("定项目"), f"/courses/{facts.uuid}/programme") if facts.may_see_people else None,
        cures=() if facts.may_see_people else (_("请这门课的评审员或区县管理员打开一次，照页面选。"),),
    )


def _chooser(facts: Facts) -> CheckLine:
    places = _("课程里已经加了 %(n)s 处。", n=facts.places) if facts.places else ""
    if facts.was_picked:
        return CheckLine("good", _("老师能在课程里选到本工具"), places)
    cures = {
        "moodle": _(
            "老师在“添加活动或资源”里找不到本工具时：课程 → 更多 → LTI 外部工具（LTI External tools），"
            "打开“在活动选择器中显示”（Show in activity chooser）；或请站点管理员把“工具配置使用”改成"
            "“作为一个预配置工具显示在活动选择器里”。"
        ),
        "openedx": _("老师找不到时：Studio 的高级设置里，把 lti_consumer 加进“高级模块列表”（Advanced Module List）。"),
    }
    cure = cures.get(family(facts.product), _("老师在课程里找不到本工具时，请平台的管理员让本工具出现在活动选择器里。"))
    return CheckLine("note", _("老师能不能在活动选择器里看到，平台没有告诉我们"), places, (cure,))


def _students(facts: Facts) -> CheckLine:
    if facts.learners:
        return CheckLine("good", _("有学生打开过"), _("%(n)s 人最近一次是以“学生”身份进来的。", n=facts.learners))
    return CheckLine(
        "stop",
        _("未见学生打开"),
        _("有 %(n)s 人以“教师”身份进来过，还没有人以“学生”身份进来。", n=facts.instructors),
        (
            _("看看活动是不是对学生隐藏着。"),
            _("参训教师要以“学生”身份加入课程；请其中一位打开一次，再看这里。"),
        ),
    )


def _names(facts: Facts) -> CheckLine:
    if facts.named and not facts.unnamed:
        return CheckLine("good", _("姓名收得到"), _("%(n)s 人进来时带着姓名。", n=facts.named))
    if not facts.named and not facts.unnamed:
        return CheckLine("note", _("姓名收不收得到还不知道"), _("下一次有人打开以后就知道了。"))
    cures = {
        "moodle": _("站点管理员在工具的设置里，“与工具共享启动者的名字”（Share launcher's name with tool）选“总是”。"),
        "openedx": _(
            "组件里打开“Request user's full name”，并请站点管理员为这门课允许共享个人信息"
            "（CourseAllowPIISharingInLTIFlag）。"
        ),
        "canvas": _("管理员在开发者密钥里把“Privacy Level”设为 Public 或 Name Only。"),
    }
    cure = cures.get(family(facts.product), _("请平台的管理员在工具的隐私设置里允许共享姓名。"))
    return CheckLine(
        "wait" if facts.named else "stop",
        _("有的人没有带姓名") if facts.named else _("平台没有给姓名"),
        _("%(n)s 人进来时没有姓名，由本人在第一页填写，不影响使用。", n=facts.unnamed),
        (cure,),
    )


def _grades(facts: Facts) -> CheckLine:
    moodle = family(facts.product) == "moodle"
    if not facts.has_come:
        return CheckLine("note", _("平台收不收成绩还不知道"), _("有人打开一次以后就知道了。"))
    if not facts.takes_scores:
        cures = {
            "moodle": _(
                "站点管理员在工具的设置里，“接受此工具的成绩”选“总是”，“IMS LTI作业和成绩服务”选"
                "“将此服务用于成绩同步和列管理”。手工添加的活动，还要在活动设置里勾选允许本工具写成绩。"
            ),
            "openedx": _("组件里“Assignment and Grades”选“Programmatic”。"),
        }
        cure = cures.get(
            family(facts.product), _("请平台的管理员为本工具打开“成绩服务”（Assignment and Grade Services）。")
        )
        return CheckLine("stop", _("平台不收成绩"), _("认定和学时都在本工具里，只是进不了课程的成绩册。"), (cure,))
    detail = _("已送到 %(n)s 人的成绩。", n=facts.arrived)
    out = (
        (_("“能力点”“学时”两栏会被 Moodle 算进课程总分。不想算：成绩 → 成绩册设置，把这两栏的权重都改成 0。"),)
        if moodle
        else (_("不想把“能力点”“学时”两栏算进课程总分，就在成绩册里把它们设成不计入总分。"),)
    )
    link = (_("看每个人的成绩"), f"/courses/{facts.uuid}/scores") if facts.programme else None
    if not facts.makes_columns:
        only = _("平台只给了这个活动自己的一栏，放能力点；学时只在本工具里看。")
        return CheckLine("wait", _("收成绩，但不能建栏目"), f"{only}{detail}", out, link)
    if facts.failed:
        cure = _("看每个人的成绩：那里写明为什么没送到、怎样处理，处理好以后再发一次。")
        return CheckLine("stop", _("%(n)s 人的成绩没送到，不会自动再试", n=facts.failed), detail, (cure,), link)
    if facts.waiting:
        waiting = _("还有 %(n)s 人的在路上，会自动再试。", n=facts.waiting)
        return CheckLine("wait", _("收成绩"), f"{detail}{waiting}", out, link)
    return CheckLine("good", _("收成绩"), detail, out, link)


def _members(facts: Facts, timezone: str, explain: Callable[[str], str]) -> CheckLine:
    cures = {
        "moodle": _(
            "站点管理员在工具的设置里，“IMS LTI Names and Role Provisioning”选“Use this service to retrieve "
            "members' information as per privacy settings”。"
        ),
        "openedx": _("组件里“Enable LTI NRPS”选“True”。"),
    }
    cure = cures.get(family(facts.product), _("请平台的管理员为本工具打开“名单服务”（Names and Role Provisioning）。"))
    if not facts.has_come:
        return CheckLine("note", _("平台给不给课程名单还不知道"), _("有人打开一次以后就知道了。"))
    if not facts.offers_list:
        return CheckLine("stop", _("平台没有给课程名单"), _("看不到谁还没进来过；选点、互评和认定不受影响。"), (cure,))
    last = _("上一次读到：%(when)s。", when=when(facts.read_at, timezone)) if facts.read_at else ""
    if facts.error:
        more = (cure,) if facts.error in REFUSED else ()
        said = _("平台的回答：%(words)s", words=facts.words) if facts.words else ""
        return CheckLine("stop", _("课程名单没有读到"), f"{last}{said}", (explain(facts.error), *more))
    if facts.read_at is None:
        return CheckLine("wait", _("课程名单还没有读"), _("通常几分钟以后就读到。"))
    named = _("名单上 %(n)s 人有姓名。", n=facts.listed_named)
    return CheckLine("good", _("课程名单读得到"), f"{last}{named}")


def _enrolled(facts: Facts) -> CheckLine:
    add = _("把参训教师以“学生”身份加入课程。")
    cures = (
        (
            add,
            _(
                "介意“学生”两个字：课程 → 设置 → 角色重命名（Role renaming），"
                "把“学生”（Student）改名为“参训教师”，只改显示的字。"
            ),
        )
        if family(facts.product) == "moodle"
        else (add,)
    )
    if facts.read_at is None:
        return CheckLine(
            "note",
            _("有多少人以“学生”身份加入，还不知道"),
            _("只知道有 %(n)s 人以“学生”身份进来过。", n=facts.learners),
            cures,
        )
    if not facts.listed_learners:
        return CheckLine("stop", _("课程里没有“学生”"), _("平台只给“学生”记成绩。"), cures)
    detail = _("其中 %(n)s 人还没有打开过。", n=facts.absent)
    if family(facts.product) == "moodle":
        detail += _("Moodle 把“非编辑教师”也列为学生，所以会偏多。")
    link = (
        (_("看是谁"), f"/courses/{facts.uuid}/people?state=not_come") if facts.may_see_people and facts.absent else None
    )
    title = _("%(n)s 人以“学生”身份在课程里", n=facts.listed_learners)
    return CheckLine("good", title, detail, cures[1:], link)


def _sides(facts: Facts) -> CheckLine | None:
    if not facts.wrong_side:
        return None
    cures = [_("把他们也加为课程的“学生”（可以同时是教师），再请他们打开一次。")]
    if family(facts.product) == "moodle":
        cures.append(_("已经同时是“学生”的不用管：Moodle 只说“教师”，成绩照样收，第一次送到以后就不再列在这里。"))
    return CheckLine(
        "stop",
        _("%(n)s 人的成绩可能进不了成绩册：不是“学生”", n=facts.wrong_side),
        _("他们选了能力点，却是以“教师”身份进来的，或者平台说“不是学生”。"),
        tuple(cures),
        (_("看是谁"), f"/courses/{facts.uuid}/people?state=wrong_side") if facts.may_see_people else None,
    )
