"""Pages of an archive besides those of people: each programme with its points and rules, the trainings with who was
there, and the ledger by the numbers of its entries, as an auditor looks them up."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

import competencies
from competencies import (
    Attendance,
    CompetencyFramework,
    CompetencyPoint,
    CreditEntry,
    FrameworkVersion,
    Programme,
    ProgrammePolicy,
    StoredFile,
    Training,
)
from lms_plugin import parcel
from lms_plugin.flow import archive_html as html
from lms_plugin.people import OrgUnit, Person, RosterEntry

ENTRIES_ON_A_PAGE = 1000
TrainingFile = competencies.training_files.TrainingFile
_WAYS = {"code": "输码 / code", "qr": "扫码 / QR", "list": "名单 / list", "import": "导入 / imported"}


def write(
    session: Session, tenant_id: int, zone: ZoneInfo, packing: parcel.Packing, between: Callable[[], None]
) -> Markup:
    """Writes the pages; gives the parts of the front page that lead to them."""
    programmes = _programmes(session, tenant_id, zone, packing)
    trainings = _trainings(session, tenant_id, zone, packing, between)
    ledger = _ledger(session, tenant_id, zone, packing, between)
    return Markup("\n").join(
        [
            html.part("考核项目 / Programmes", ("项目 / Programme", "开始 / From", "结束 / Until"), programmes),
            html.part("培训 / Trainings", ("时间 / When", "培训 / Training", "单位 / Unit", "到场 / There"), trainings),
            html.part("学时台账，按编号 / The ledger by number", ("编号 / Nos.", "记入 / Entered"), ledger),
        ]
    )


def when(at: datetime | None, zone: ZoneInfo) -> str:
    """A moment in the district's own time."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at is not None else ""


def _programmes(session: Session, tenant_id: int, zone: ZoneInfo, packing: parcel.Packing) -> list[Markup]:
    lines = []
    for programme, version, framework in session.execute(
        select(Programme, FrameworkVersion, CompetencyFramework)
        .join(FrameworkVersion, col(FrameworkVersion.id) == col(Programme.framework_version_id))
        .join(CompetencyFramework, col(CompetencyFramework.id) == col(FrameworkVersion.framework_id))
        .where(col(Programme.tenant_id) == tenant_id)
        .order_by(col(Programme.id))
    ):
        points = session.execute(
            select(col(CompetencyPoint.code), col(CompetencyPoint.name))
            .where(col(CompetencyPoint.framework_version_id) == version.id)
            .order_by(col(CompetencyPoint.position), col(CompetencyPoint.id))
        )
        rules = session.execute(
            select(ProgrammePolicy)
            .where(col(ProgrammePolicy.programme_id) == programme.id)
            .order_by(col(ProgrammePolicy.number))
        ).scalars()
        body = Markup("\n").join(
            [
                Markup("<p>能力点标准 / Framework: {}，第 {} 版 / version {}，SHA-256 <code>{}</code></p>").format(
                    html.words_of(framework.title), version.number, version.number, version.content_hash
                ),
                html.part(
                    "能力点 / Points",
                    ("编号 / Code", "名称 / Name"),
                    [html.line(row.code, html.words_of(row.name)) for row in points],
                ),
                Markup("<h2>规则 / Rules</h2>"),
                *(
                    Markup("<h3>第 {} 版 / Version {} · {} · SHA-256 <code>{}</code></h3><pre>{}</pre>").format(
                        one.number,
                        one.number,
                        when(one.made_at, zone),
                        one.content_hash,
                        json.dumps(one.rules, ensure_ascii=False, sort_keys=True, indent=1),
                    )
                    for one in rules
                ),
            ]
        )
        name = f"pages/programme-{programme.uuid}.html"
        packing.text(name, html.page(programme.title, body, "../index.html"))
        lines.append(html.line(html.link(name, programme.title), programme.opens_on, programme.closes_on))
        session.expunge_all()
    return lines


def _trainings(
    session: Session, tenant_id: int, zone: ZoneInfo, packing: parcel.Packing, between: Callable[[], None]
) -> list[Markup]:
    lines = []
    held = session.execute(
        select(
            *(col(Training.id), col(Training.uuid), col(Training.title), col(Training.starts_at)),
            *(col(Training.place), col(Training.minutes), col(OrgUnit.name).label("unit")),
            *(col(Programme.title).label("programme"), col(Programme.uuid).label("programme_uuid")),
        )
        .join(OrgUnit, col(OrgUnit.id) == col(Training.org_unit_id))
        .join(Programme, col(Programme.id) == col(Training.programme_id))
        .where(col(Training.tenant_id) == tenant_id)
        .order_by(col(Training.starts_at), col(Training.id))
    ).all()
    for row in held:
        between()
        there = _there(session, row.id, row.minutes, zone)
        head = Markup("<p>{} · {} · {} 分钟 / minutes · {} · {}</p>").format(
            when(row.starts_at, zone),
            row.unit,
            row.minutes,
            row.place,
            html.link(f"programme-{row.programme_uuid}.html", row.programme),
        )
        files = [
            html.line(html.file_link(one.sha256, one.extension, one.filename), when(one.removed_at, zone))
            for one in session.execute(
                select(
                    *(col(StoredFile.sha256), col(StoredFile.extension), col(StoredFile.filename)),
                    col(TrainingFile.removed_at),
                )
                .join(StoredFile, col(StoredFile.id) == col(TrainingFile.stored_file_id))
                .where(col(TrainingFile.training_id) == row.id, col(StoredFile.sha256) != "")
                .order_by(col(TrainingFile.id))
            )
        ]
        people = (
            "姓名 / Name",
            "工号 / Staff no.",
            "签到 / Signed in",
            "方式 / How",
            "分钟 / Minutes",
            "台账 / Entry no.",
        )
        body = Markup("\n").join(
            [
                head,
                html.part("材料 / Files", ("文件 / File", "撤下 / Taken out"), files),
                html.part("到场的人 / Who was there", people, there),
            ]
        )
        name = f"pages/training-{row.uuid}.html"
        packing.text(name, html.page(row.title, body, "../index.html"))
        lines.append(html.line(when(row.starts_at, zone), html.link(name, row.title), row.unit, len(there)))
    return lines


def _there(session: Session, training_id: int, whole: int, zone: ZoneInfo) -> list[Markup]:
    lines = []
    for row in session.execute(
        select(
            *(col(Attendance.way), col(Attendance.minutes), col(Attendance.signed_at), col(Attendance.entry_id)),
            *(col(Person.uuid), col(Person.name), col(Person.staff_number)),
            *(col(RosterEntry.name).label("listed"), col(RosterEntry.staff_number).label("listed_number")),
        )
        .outerjoin(Person, col(Person.id) == col(Attendance.person_id))
        .outerjoin(RosterEntry, col(RosterEntry.id) == col(Attendance.roster_entry_id))
        .where(col(Attendance.training_id) == training_id, col(Attendance.removed_at).is_(None))
        .order_by(col(Attendance.id))
    ):
        name = row.name or row.listed or "未填姓名 / no name"
        who = html.link(f"person-{row.uuid}.html", name) if row.uuid else name
        minutes = whole if row.minutes is None else row.minutes
        number = row.staff_number or row.listed_number or ""
        lines.append(
            html.line(who, number, when(row.signed_at, zone), _WAYS.get(row.way, row.way), minutes, row.entry_id or "")
        )
    return lines


def _ledger(
    session: Session, tenant_id: int, zone: ZoneInfo, packing: parcel.Packing, between: Callable[[], None]
) -> list[Markup]:
    lines = []
    heads = (
        *("编号 / No.", "记入 / Entered", "姓名 / Name", "单位 / Unit", "项目 / Programme", "类别 / Kind"),
        *("学时 / Hours", "依据 / Basis", "决定人 / Decided by"),
    )
    for number, rows in enumerate(_entries(session, tenant_id), 1):
        between()
        title = f"学时台账 / Ledger {rows[0].id}–{rows[-1].id}"
        made = [
            html.line(
                *(row.id, when(row.entered_at, zone)),
                html.link(f"person-{row.person_uuid}.html", row.person or "未填姓名 / no name"),
                *(row.unit or "", row.programme, html.KINDS[row.kind.value], html.hours(row.credit_hundredths)),
                *(html.basis(row), row.decider or ""),
            )
            for row in rows
        ]
        name = f"pages/ledger-{number:06}.html"
        packing.text(name, html.page(title, html.table(heads, made), "../index.html"))
        days = f"{when(rows[0].entered_at, zone)} – {when(rows[-1].entered_at, zone)}"
        lines.append(html.line(html.link(name, f"{rows[0].id}–{rows[-1].id}"), days))
    return lines


def _entries(session: Session, tenant_id: int) -> Iterator[list[Any]]:
    """The entries of a district by their numbers, those of a page at a time."""
    decider, after = aliased(Person), 0
    while True:
        rows = session.execute(
            select(
                *(col(CreditEntry.id), col(CreditEntry.entered_at), col(CreditEntry.kind), col(CreditEntry.reason)),
                *(col(CreditEntry.credit_hundredths), col(CreditEntry.source), col(CreditEntry.reverses_id)),
                *(col(Person.uuid).label("person_uuid"), col(Person.name).label("person")),
                *(col(OrgUnit.name).label("unit"), col(Programme.title).label("programme")),
                col(decider.name).label("decider"),
            )
            .join(Person, col(Person.id) == col(CreditEntry.person_id))
            .join(Programme, col(Programme.id) == col(CreditEntry.programme_id))
            .outerjoin(OrgUnit, col(OrgUnit.id) == col(CreditEntry.org_unit_id))
            .outerjoin(decider, col(decider.id) == col(CreditEntry.decided_by_id))
            .where(col(CreditEntry.tenant_id) == tenant_id, col(CreditEntry.id) > after)
            .order_by(col(CreditEntry.id))
            .limit(ENTRIES_ON_A_PAGE)
        ).all()
        if not rows:
            return
        yield list(rows)
        after = rows[-1].id
