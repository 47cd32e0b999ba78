"""保存的资料: what this tool keeps of a person, who sees it, how long it stays, and all of it as a file."""

import json

from flask import Blueprint, Response, render_template, url_for

from lms_plugin.flow import person_data
from lms_plugin.people import Stage
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.people import stage_word

blueprint = Blueprint("person_data", __name__)


def kind_words(kind: str) -> tuple[str, str, str]:
    """What a kind is, who sees it, and how long it stays (docs/privacy.md says the same)."""
    stays, ledger = _("不自动删"), _("只增不改")
    school = _("本人，本校学校管理员，区县管理员，审计员，课程的评审员")
    words = {
        "accounts": (_("课程平台的用户编号"), _("页面上不显示"), stays),
        "schools": (_("所在学校"), school, stays),
        "roster": (_("应参训名单里的一行"), _("区县管理员，本校学校管理员"), _("区县管理员从名单拿掉为止")),
        "roles": (_("在本工具里的角色"), _("区县管理员"), stays),
        "courses": (_("进来过的课程和身份"), _("课程的评审员，区县管理员"), stays),
        "host_lists": (
            _("平台名单里的姓名和角色"),
            _("课程的评审员，区县管理员"),
            _("不在名单上、项目结束或 30 天没读到名单，姓名就删去"),
        ),
        "programmes": (_("参加的项目"), school, stays),
        "choices": (_("选过的能力点"), school, stays),
        "choices_confirmed": (_("学校对选点的确认或退回"), school, stays),
        "works": (
            _("材料（每个能力点一份，连草稿）"),
            _("本人，评审同事（看不到是谁，除非项目规则写着看得到），评审员，考核小组，区县管理员，审计员"),
            stays,
        ),
        "files": (_("上传的文件"), _("同上；学校管理员和技术管理员看不到"), _("交过的一直留；从草稿拿掉的 30 天")),
        "reviews": (
            _("给同事写的评价"),
            _("评审员，区县管理员，审计员；被评的人看不到是谁，除非项目规则写着看得到"),
            stays,
        ),
        "awards": (_("认定的能力点和等级"), _("本人，本校学校管理员，评审员，区县管理员，审计员"), stays),
        "ledger": (_("学时台账的记录"), _("本人，本校学校管理员，评审员，区县管理员，审计员"), ledger),
        "certificates": (_("学时证明"), _("本人，本校学校管理员，区县管理员，审计员；有核验码的人看到一部分"), ledger),
        "work_statements": (_("工作量证明"), _("本人，区县管理员，审计员；有核验码的人看到一部分"), stays),
        "requests": (_("学时更正申请"), _("本人，本校的区县管理员"), stays),
        "objections": (_("提过的异议"), _("本人，区县管理员，审计员，本校学校管理员"), stays),
        "appeals": (_("申请过的复核"), _("本人，区县管理员，审计员；重新评的人看到理由，看不到是谁"), stays),
        "appeal_reviews": (_("替别人复核"), _("区县管理员，审计员；申请的人看不到是谁"), stays),
        "messages": (_("收到的消息"), _("本人"), stays),
        "mail": (_("收信的邮箱"), _("本人"), _("停了也留着地址，换了就没有")),
        "phrases": (_("自己存的常用语"), _("本人"), stays),
        "transfers": (_("转出去的研修记录"), _("本人，区县管理员"), stays),
        "arrivals": (_("转进来的研修记录"), _("本人，区县管理员"), stays),
        "trainings": (_("培训签到"), _("本人，本单位的学校管理员，区县管理员，审计员"), stays),
        "scores": (_("发给课程成绩册的成绩"), _("本人，课程的评审员，区县管理员，技术管理员"), stays),
        "sessions": (_("现在的登录"), _("页面上不显示"), _("8 小时")),
    }
    return words[kind]


@blueprint.get("/data")
def mine() -> str:
    """What is kept of oneself."""
    return _page(None)


@blueprint.get("/data/<person>")
def of_person(person: str) -> str:
    """The same of somebody, for officers of their school; a host's privacy launch ends here."""
    return _page(person)


def _page(uuid: str | None) -> str:
    data = person_data.data_of(db(), actor(), uuid, edge().now)
    return render_template(
        "person_data/page.html",
        data=data,
        stage=stage_word(Stage(data.stage)) if data.stage else "",
        rows=[(number, *kind_words(kind)) for kind, number in data.kinds.items() if number],
        none=[kind_words(kind)[0] for kind, number in data.kinds.items() if not number],
        file=url_for("person_data.my_file") if uuid is None else url_for("person_data.file", person=uuid),
    )


@blueprint.get("/data/file")
def my_file() -> Response:
    """All of it of oneself, as JSON."""
    return _file(None)


@blueprint.get("/data/<person>/file")
def file(person: str) -> Response:
    """The same of somebody."""
    return _file(person)


def _file(uuid: str | None) -> Response:
    found = person_data.file_of(db(), actor(), uuid, edge().now)
    made = Response(json.dumps(found, ensure_ascii=False, indent=1), mimetype="application/json")
    made.headers["Content-Disposition"] = 'attachment; filename="data.json"'
    return made
