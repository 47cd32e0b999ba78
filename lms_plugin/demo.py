"""The demo: a district of invented people, and tool + worker + practice LMS as three processes on this machine."""

import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlmodel import Session, select

import competencies
import lti
from lms_plugin import migrate
from lms_plugin.config import environment_with
from lms_plugin.db import engine, pk, session_factory, transaction
from lms_plugin.errors import Unavailable
from lms_plugin.flow import curate, invitations, units
from lms_plugin.net import Http
from lms_plugin.people import Course, Identity, OrgUnit, Person, RoleKind, RosterEntry, Stage, Tenant, UnitKind

TENANT = "平安县（演示）"
CLIENT_ID = "nengli-practice"
PROGRAMMES = ("2026年校本应用考核（演示）", "跨校互评试点（演示）")
SCHOOLS = ("希望小学", "平安中学")

# name, school, staff number, stage, subject: invented, and marked as such on every page of the demo.
ROSTER = (
    ("王秀兰", "希望小学", "HX001", Stage.PRIMARY, "语文"),
    ("李建国", "希望小学", "HX002", Stage.PRIMARY, "数学"),
    ("赵春梅", "希望小学", "HX003", Stage.PRIMARY, "语文"),
    ("陈志强", "希望小学", "HX004", Stage.PRIMARY, "科学"),
    ("刘海燕", "平安中学", "PZ001", Stage.JUNIOR, "英语"),
    ("孙立新", "平安中学", "PZ002", Stage.JUNIOR, "数学"),
    ("周美玲", "平安中学", "PZ003", Stage.JUNIOR, "语文"),
    ("吴大勇", "平安中学", "PZ004", Stage.JUNIOR, "物理"),
    ("郭新月", "希望小学", "HX005", Stage.PRIMARY, "英语"),
    ("何小川", "平安中学", "PZ005", Stage.JUNIOR, "化学"),
)
# subject (LTI sub) of the practice LMS, name, role, unit
STAFF = (
    ("31", "林安", RoleKind.OFFICER, TENANT),
    ("21", "郑文华", RoleKind.TRAINER, TENANT),
    ("22", "何静", RoleKind.TRAINER, TENANT),
)


def seed(session: Session, lms: str, lms_loopback: str, secret_key: str, now: datetime) -> None:
    """Registers the practice LMS and makes the demo district once; a second call only renews the addresses."""
    tenant = session.exec(select(Tenant).where(Tenant.name == TENANT)).one_or_none()
    lti.ensure_tool_key(session, secret_key, now)
    if tenant is not None:
        _renew(session, tenant, lms, lms_loopback)
        return
    tenant = Tenant(name=TENANT, is_demo=True, created_at=now)
    session.add(tenant)
    session.flush()
    tenant_id = pk(tenant)
    county = units.add_unit(session, tenant_id, UnitKind.COUNTY, TENANT)
    schools = {
        name: units.add_unit(session, tenant_id, UnitKind.SCHOOL, name, county, environment)
        for name, environment in zip(SCHOOLS, ("multimedia", "blended"), strict=True)
    }
    version = competencies.draft_from_pack(session, tenant_id, competencies.packs.load("framework_2_0"), now)
    curate.publish(session, version, None, now, under_banner=True)
    lti.add_platform(
        session,
        tenant_id,
        issuer=lms,
        client_id=CLIENT_ID,
        auth_url=f"{lms}/auth",
        token_url=f"{lms_loopback}/token",
        jwks_url=f"{lms_loopback}/jwks",
        deployments=["1"],
        name="练习用课程平台",
        product="nengli-practice",
        token_audience="",
        allow_loopback=True,
        now=now,
    )
    session.flush()
    platform = lti.platforms(session, tenant_id)[0]
    deployment = session.exec(select(lti.Deployment).where(lti.Deployment.platform_id == pk(platform))).one()
    for position, title in enumerate(PROGRAMMES, start=1):
        programme = _programme(session, tenant_id, county, pk(version), title, now, exclude_own_school=position == 2)
        session.add(
            Course(
                tenant_id=tenant_id,
                deployment_id=pk(deployment),
                context_id=str(position),
                title=title,
                programme_id=pk(programme),
                seen_at=now,
            )
        )
    for name, school, number, stage, subject in ROSTER:
        session.add(
            RosterEntry(
                tenant_id=tenant_id,
                name=name,
                staff_number=number,
                org_unit_id=pk(schools[school]),
                stage=stage,
                subject=subject,
                imported_at=now,
            )
        )
    _staff(session, tenant_id, lms, {TENANT: county, **schools}, now)


def _programme(
    session: Session,
    tenant_id: int,
    county: OrgUnit,
    version_id: int,
    title: str,
    now: datetime,
    *,
    exclude_own_school: bool,
) -> competencies.Programme:
    today: date = now.date()
    programme = competencies.Programme(
        tenant_id=tenant_id,
        framework_version_id=version_id,
        title=title,
        org_unit_id=pk(county),
        state=competencies.ProgrammeState.OPEN,
        opens_on=today - timedelta(days=1),
        submit_by_on=today + timedelta(days=30),
        review_by_on=today + timedelta(days=45),
        closes_on=today + timedelta(days=60),
        created_at=now,
    )
    session.add(programme)
    session.flush()
    review = competencies.ReviewPolicy(exclude_own_school=exclude_own_school, withdraw_minutes=0)
    competencies.set_rules(session, programme, competencies.Rules(review=review), None, now)
    return programme


def _staff(session: Session, tenant_id: int, issuer: str, by_name: dict[str, OrgUnit], now: datetime) -> None:
    """The officer and the trainers, known by their identity at the practice LMS before they first come."""
    for subject, name, kind, unit in STAFF:
        person = Person(
            tenant_id=tenant_id, name=name, introduced_at=now, confirmed_at=now, confirmed_how="person", created_at=now
        )
        session.add(person)
        session.flush()
        session.add(
            Identity(tenant_id=tenant_id, issuer=issuer, subject=subject, person_id=pk(person), first_seen_at=now)
        )
        invitations.grant(session, tenant_id, pk(person), kind, pk(by_name[unit]), None, now)


def _renew(session: Session, tenant: Tenant, lms: str, lms_loopback: str) -> None:
    """The demo may be started on another port: the registration and the identities follow."""
    for platform in lti.platforms(session, pk(tenant)):
        if platform.client_id != CLIENT_ID or platform.issuer == lms:
            continue
        for identity in session.exec(
            select(Identity).where(Identity.tenant_id == pk(tenant), Identity.issuer == platform.issuer)
        ).all():
            identity.issuer = lms
            session.add(identity)
        platform.issuer, platform.auth_url = lms, f"{lms}/auth"
        platform.token_url, platform.jwks_url = f"{lms_loopback}/token", f"{lms_loopback}/jwks"
        session.add(platform)
        for course in session.exec(select(Course).where(Course.tenant_id == pk(tenant))).all():
            course.lineitems_url = course.lineitem_url = course.memberships_url = ""
            session.add(course)
        for column in session.exec(select(lti.LineItem).where(lti.LineItem.tenant_id == pk(tenant))).all():
            column.url = ""
            session.add(column)


def gunicorn(bind: str, workers: int, threads: int) -> list[str]:
    """The command that serves the tool."""
    return [
        sys.executable,
        "-m",
        "gunicorn",
        "lms_plugin.wsgi:app()",
        "--bind",
        bind,
        "--workers",
        str(workers),
        "--threads",
        str(threads),
        "--worker-class",
        "gthread",
        "--timeout",
        "120",
        "--graceful-timeout",
        "10",
        "--no-control-socket",
    ]


def environment(port: int, data_dir: Path, database_url: str = "") -> dict[str, str]:
    """Settings of the demo's tool and worker; the secret key is made once and kept beside the data."""
    key_file = data_dir / "secret.key"
    if not key_file.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        key_file.touch(mode=0o600)
        key_file.write_text(secrets.token_urlsafe(48), encoding="utf-8")
    return {
        "NENGLI_DATABASE_URL": database_url or f"sqlite:///{(data_dir / 'nengli.sqlite3').resolve()}",
        "NENGLI_DATA_DIR": str(data_dir.resolve()),
        "NENGLI_SECRET_KEY": key_file.read_text(encoding="utf-8").strip(),
        "NENGLI_PUBLIC_URL": f"http://tool.localhost:{port}",
        "NENGLI_ALLOW_LOOPBACK": "1",
        "NENGLI_DEMO": "1",
    }


def prepare(port: int, data_dir: Path, database_url: str = "") -> dict[str, str]:
    """Migrates and seeds; gives the settings as environment variables."""
    settings = environment(port, data_dir, database_url)
    migrate.upgrade(settings["NENGLI_DATABASE_URL"])
    bind = engine(settings["NENGLI_DATABASE_URL"])
    try:
        with transaction(session_factory(bind)) as session:
            seed(
                session,
                f"http://lms.localhost:{port + 100}",
                f"http://127.0.0.1:{port + 100}",
                settings["NENGLI_SECRET_KEY"],
                datetime.now(UTC),
            )
    finally:
        bind.dispose()
    return settings


def commands(port: int, data_dir: Path) -> dict[str, list[str]]:
    """The three processes."""
    return {
        "tool": gunicorn(f"127.0.0.1:{port}", 1, 8),
        "worker": [sys.executable, "-m", "lms_plugin.cli", "worker"],
        "practice": [
            sys.executable,
            "-m",
            "lms_plugin.practice",
            "--port",
            str(port + 100),
            "--tool-url",
            f"http://tool.localhost:{port}",
            "--data-dir",
            str(data_dir / "practice"),
        ],
    }


def run(port: int, data_dir: Path, *, reset: bool, say: Callable[[str], object], database_url: str = "") -> int:
    """Starts everything, says where to look, stops everything at Ctrl-C or when one of the three ends."""
    if reset and data_dir.exists():
        shutil.rmtree(data_dir)
        say("· 旧的演示数据已清除 / old demo data removed")
    say("· 准备数据库和演示区县 / preparing database and demo district")
    settings = prepare(port, data_dir, database_url)
    logs = data_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    say("· 启动工具、后台任务、练习用课程平台 / starting tool, worker, practice LMS")
    running: dict[str, subprocess.Popen[bytes]] = {}

    def stop(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        for name, command in commands(port, data_dir).items():
            with (logs / f"{name}.log").open("ab") as log:
                running[name] = subprocess.Popen(  # noqa: S603
                    command,
                    env=environment_with(settings),
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
        for address in (f"http://127.0.0.1:{port}/livez", f"http://127.0.0.1:{port + 100}/jwks"):
            _await(address, running)
        say("")
        say(f"  打开 / open   http://lms.localhost:{port + 100}/")
        say(f"  工具 / tool   http://tool.localhost:{port}/   日志 / logs  {logs}")
        say("  停止 / stop   Ctrl-C")
        while all(process.poll() is None for process in running.values()):
            time.sleep(0.3)
        ended = [name for name, process in running.items() if process.poll() is not None]
        say(f"! {', '.join(ended)} 停了，日志见 / ended, see {logs}")
    except KeyboardInterrupt:
        say("\n· 正在停止 / stopping")
        return 0
    finally:
        _stop(running)
    return 1


def _await(address: str, running: dict[str, subprocess.Popen[bytes]]) -> None:
    """Waits until an address answers, at most a minute, as long as all processes live."""
    until, http = time.monotonic() + 60, Http(allow_loopback=True)
    while time.monotonic() < until and all(process.poll() is None for process in running.values()):
        try:
            if http.request("GET", address).status == 200:
                return
        except Unavailable:
            pass
        time.sleep(0.15)


def _stop(running: dict[str, subprocess.Popen[bytes]]) -> None:
    """Ends the processes that we started, politely, then firmly."""
    for process in running.values():
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    until = time.monotonic() + 8
    for process in running.values():
        try:
            process.wait(timeout=max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
