"""`nengli`: the operator's commands. One command, one transaction."""

import os
import secrets
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import click
from sqlmodel import Session, col, select

import lti
from lms_plugin import __version__, demo, migrate, platform_events, worker
from lms_plugin.cli import archive, checks, frameworks, ledger, person
from lms_plugin.cli.common import act, said, settings_or_end
from lms_plugin.db import pk
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import curate, invitations, people, platforms, units
from lms_plugin.net import Http
from lms_plugin.people import OrgUnit, RoleKind, Tenant, UnitKind
from lms_plugin.platform_events import PlatformAct
from lms_plugin.web.messages import sentence


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nengli")
def main() -> None:
    """教师能力点考核: commands for those who run it. Settings are NENGLI_* environment variables."""


@main.group()
def db() -> None:
    """The database's schema."""


@db.command("upgrade")
@click.argument("revision", default="head")
def db_upgrade(revision: str) -> None:
    """Bring the database to the newest revision."""
    settings = settings_or_end()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with said():
        migrate.upgrade(settings.database_url, revision)
    click.echo("Database is at the newest revision. / 数据库已是最新。")


@db.command("downgrade")
@click.argument("revision")
def db_downgrade(revision: str) -> None:
    """Take the database back to a revision."""
    migrate.downgrade(settings_or_end().database_url, revision)


ROOTS = [UnitKind.COUNTY.value, UnitKind.CITY.value, UnitKind.PROVINCE.value]


@main.group()
def tenant() -> None:
    """Districts."""


@tenant.command("add")
@click.argument("name")
@click.option("--timezone", default="Asia/Shanghai", show_default=True)
@click.option("--kind", type=click.Choice(ROOTS), default="county", show_default=True, help="What its root unit is.")
def tenant_add(name: str, timezone: str, kind: str) -> None:
    """Make a district and its root unit: a county, or a city or province that runs the tool for its counties."""
    with act() as (session, settings, now):
        if timezone not in available_timezones():
            raise Refused("tenant.timezone", name=timezone)
        name = units.name_as_kept(name)
        if session.exec(select(Tenant.id).where(Tenant.name == name)).first() is not None:
            raise Refused("tenant.taken", name=name)
        row = Tenant(name=name, timezone=timezone, created_at=now)
        session.add(row)
        session.flush()
        units.add_unit(session, pk(row), UnitKind(kind), name)
        lti.ensure_tool_key(session, settings.secret_key.get_secret_value(), now)
    click.echo(f"District made / 已建: {name}")


@tenant.command("list")
def tenant_list() -> None:
    """All districts."""
    with act() as (session, _, _now):
        for row in session.exec(select(Tenant).order_by(col(Tenant.id))).all():
            click.echo(f"{row.name}\t{row.timezone}")


@main.group()
def unit() -> None:
    """Org units of a district."""


@unit.command("add")
@click.option("--tenant", "tenant_name", required=True)
@click.option("--kind", type=click.Choice([k.value for k in UnitKind]), default="school", show_default=True)
@click.option("--parent", default="", help="Name of the parent unit; the root unit if left out.")
@click.option(
    "--environment",
    type=click.Choice(units.ENVIRONMENTS),
    default=None,
    help="What a school declares. Given for a school that is there already, it is changed.",
)
@click.argument("name")
def unit_add(tenant_name: str, kind: str, parent: str, environment: str | None, name: str) -> None:
    """Add a school, school group, county, city; the same name under the same parent is the same unit."""
    with act() as (session, _, now):
        district = people.tenant_named(session, tenant_name)
        above = _unit_named(session, district, parent)
        name = units.name_as_kept(name)
        known = session.exec(select(OrgUnit.id).where(OrgUnit.parent_id == above.id, OrgUnit.name == name)).first()
        made = units.add_unit(session, pk(district), UnitKind(kind), name, above, environment or "")
        curate.require_met(session, pk(district), [made.path], environment or "", now)
        declared = f" ({made.environment})" if made.environment else ""
    click.echo(f"{'Unit was there already / 已有' if known is not None else 'Unit made / 已建'}: {name}{declared}")


def _unit_named(session: Session, district: Tenant, name: str) -> OrgUnit:
    """The one unit of that name, the root unit for ""."""
    is_it = col(OrgUnit.name) == name if name else col(OrgUnit.parent_id).is_(None)
    found = session.exec(select(OrgUnit).where(OrgUnit.tenant_id == pk(district), is_it).limit(2)).all()
    if len(found) != 1:
        raise click.ClickException(f"No single unit called / 没有唯一的单位: {name or district.name}")
    return found[0]


@main.group()
def platform() -> None:
    """Registered LTI platforms (Moodle, Open edX …)."""


@platform.command("add")
@click.option("--issuer", required=True)
@click.option("--client-id", required=True)
@click.option("--auth-url", required=True)
@click.option("--token-url", required=True)
@click.option("--jwks-url", required=True)
@click.option("--deployment", required=True, multiple=True, help="Deployment ID; may be given several times.")
@click.option("--tenant", "tenant_name", required=True)
@click.option("--name", help="What pages call it.")
@click.option("--product", help="moodle, openedx … if launches do not say it")
@click.option("--audience", help="audience of token requests, if it is not the token URL")
def platform_add(**given: Any) -> None:
    """Register a platform for a district and print what the platform needs of us.

    Once more with the same issuer and client id it adds deployments and changes what is given; name, product and
    audience stay where they are left out, and '' empties them.
    """
    with act() as (session, settings, now):
        district = people.tenant_named(session, given["tenant_name"])
        held = lti.by_client(session, given["issuer"], given["client_id"])
        row = lti.add_platform(
            session,
            pk(district),
            issuer=given["issuer"],
            client_id=given["client_id"],
            auth_url=given["auth_url"],
            token_url=given["token_url"],
            jwks_url=given["jwks_url"],
            deployments=list(given["deployment"]),
            name=given["name"],
            product=given["product"],
            token_audience=given["audience"],
            allow_loopback=settings.allow_loopback,
            networks=settings.networks,
            now=now,
        )
        lti.ensure_tool_key(session, settings.secret_key.get_secret_value(), now)
        _note(session, row, PlatformAct.CHANGED if held is not None else PlatformAct.ADDED, now)
    click.echo("Registered / 已登记. Values for the platform / 填到课程平台里的值:")
    for label, value in (
        ("Tool URL / 工具网址", settings.launch_url),
        ("Initiate login URL / 发起登录网址", settings.login_url),
        ("Redirection URI / 重定向网址", settings.launch_url),
        ("Public keyset URL / 公钥集网址", settings.jwks_url),
    ):
        click.echo(f"  {label}: {value}")


@platform.command("list")
@click.option("--tenant", "tenant_name", default="")
def platform_list(tenant_name: str) -> None:
    """Registered platforms with their deployments, without any secret."""
    with act() as (session, _, _now):
        if tenant_name:
            rows = [people.tenant_named(session, tenant_name)]
        else:
            rows = list(session.exec(select(Tenant).order_by(col(Tenant.id))))
        for district in rows:
            for row in lti.platforms(session, pk(district)):
                state = "disabled" if row.is_disabled else "enabled"
                click.echo(f"{district.name}\t{row.issuer}\t{row.client_id}\t{state}\t{row.name}")
                for label, value in (
                    ("Deployments / 部署编号", ", ".join(lti.deployment_ids(session, row))),
                    ("Product / 产品", row.product or "–"),
                    ("Audience / 令牌受众", row.token_audience or f"{row.token_url} (token URL / 令牌网址)"),
                ):
                    click.echo(f"  {label}: {value}")


@platform.command("disable")
@click.option("--issuer", required=True)
@click.option("--client-id", required=True)
def platform_disable(issuer: str, client_id: str) -> None:
    """Launch nobody from a platform any more; everything else stays as it is."""
    _switch(issuer, client_id, is_disabled=True)


@platform.command("enable")
@click.option("--issuer", required=True)
@click.option("--client-id", required=True)
def platform_enable(issuer: str, client_id: str) -> None:
    """Let a disabled platform launch again."""
    _switch(issuer, client_id, is_disabled=False)


@platform.command("withdraw")
@click.option("--issuer", required=True)
@click.option("--client-id", required=True)
@click.option("--deployment", required=True, help="Deployment ID.")
def platform_withdraw(issuer: str, client_id: str, deployment: str) -> None:
    """Take back the approval of a deployment: nobody is launched from it any more; what came from it stays."""
    with act() as (session, _, now):
        row = lti.by_client(session, issuer, client_id)
        if row is None:
            raise NotFound("platform.unknown", issuer=issuer, client_id=client_id)
        lti.withdraw_deployment(session, row, deployment)
        _note(session, row, PlatformAct.WITHDRAWN, now, deployment)
    click.echo(f"Withdrawn / 已撤下: {issuer} {client_id} {deployment}")


def _note(session: Session, row: lti.Platform, what: PlatformAct, now: datetime, detail: str = "") -> None:
    platform_events.note(session, (row.tenant_id, pk(row)), what, None, now, detail)


def _switch(issuer: str, client_id: str, *, is_disabled: bool) -> None:
    with act() as (session, _, now):
        row = lti.switch_platform(session, issuer, client_id, is_disabled=is_disabled)
        _note(session, row, PlatformAct.DISABLED if is_disabled else PlatformAct.ENABLED, now)
    click.echo(f"{'Disabled / 已停用' if is_disabled else 'Enabled / 已启用'}: {issuer} {client_id}")


@platform.command("test")
@click.option("--issuer", required=True)
@click.option("--client-id", required=True)
def platform_test(issuer: str, client_id: str) -> None:
    """Try a registration out: the platform's keys, a token for each right, a course's roster; says what is wrong."""
    with act() as (session, settings, now):
        row = lti.by_client(session, issuer, client_id)
        if row is None:
            raise NotFound("platform.unknown", issuer=issuer, client_id=client_id)
        http = Http(allow_loopback=settings.allow_loopback, networks=settings.networks)
        secret = settings.secret_key.get_secret_value()
        trial = platforms.trial_of(session, row, now, secret_key=secret, http=http)
        jwks = settings.jwks_url
    findings = trial.run()
    for finding in findings:
        mark = "–" if finding.is_note else "✗" if finding.code else "✓"
        for language in ("zh", "en"):
            told = sentence(finding.code or "trial.works", {"words": finding.words, "jwks": jwks}, language)
            click.echo(f"{mark} {sentence(f'trial.step_{finding.step}', {}, language)}: {told}")
    if any(finding.code and not finding.is_note for finding in findings):
        sys.exit(1)


@platform.command("rotate-keys")
@click.option("--at-once", is_flag=True, help="A key has leaked: the new one signs now, the old ones are withdrawn.")
def platform_rotate_keys(at_once: bool) -> None:
    """Make another signing key: shown at once, in use a day later; the old one stays a week longer."""
    with act() as (session, settings, now):
        key = lti.rotate_key(session, settings.secret_key.get_secret_value(), now, at_once=at_once)
        kid, begins = key.kid, key.active_from_at
    click.echo(f"Key / 密钥 {kid}: signs from / 启用时间 {begins:%Y-%m-%d %H:%M} UTC")


@main.group()
def officer() -> None:
    """The first people of a district."""


@officer.command("invite")
@click.option("--tenant", "tenant_name", required=True)
@click.option("--role", type=click.Choice([k.value for k in RoleKind if k is not RoleKind.TEACHER]), default="officer")
@click.option("--unit", "unit_name", default="", help="Name of the unit; the root unit if left out.")
def officer_invite(tenant_name: str, role: str, unit_name: str) -> None:
    """Print a one-time link that makes somebody an officer (or another role)."""
    with act() as (session, settings, now):
        district = people.tenant_named(session, tenant_name)
        within = _unit_named(session, district, unit_name)
        row, code = invitations.make_invitation(session, pk(district), RoleKind(role), within, None, now)
        link = f"{settings.public_url}/invitation/{code}"
        until = row.expires_at
    click.echo(f"One-time link / 一次性链接: {link}")
    click.echo(f"Code / 邀请码: {code}   (until / 有效至 {until:%Y-%m-%d %H:%M} UTC)")


@main.command("secret")
def secret() -> None:
    """Print a new value for NENGLI_SECRET_KEY."""
    click.echo(secrets.token_urlsafe(48))


@main.command("worker")
@click.option("--threads", default=2, show_default=True)
def run_worker(threads: int) -> None:
    """Run the worker: scores, allotment, release."""
    worker.run(settings_or_end(), threads)


@main.command("serve")
@click.option("--port", default=8600, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--workers", default=2, show_default=True)
@click.option("--threads", default=8, show_default=True)
def serve(port: int, host: str, workers: int, threads: int) -> None:
    """Run the web server (gunicorn); put nginx with HTTPS before it."""
    settings_or_end()
    command = demo.gunicorn(f"{host}:{port}", workers, threads)
    os.execv(command[0], command)  # noqa: S606 - signals then reach gunicorn itself


@main.command("demo")
@click.option("--port", default="8600", show_default=True, help="The tool's port; the practice LMS's is 100 above.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=Path("var/demo"),
    show_default=True,
    help="An empty or new folder, or one of an earlier demo.",
)
@click.option("--reset", is_flag=True, help="Start afresh: the demo's data in that folder goes, other files stay.")
def run_demo(port: str, data_dir: Path, reset: bool) -> None:
    """Everything on this machine: tool, worker and practice LMS, with a demo district. Ctrl-C stops all."""
    with said():
        sys.exit(demo.run(demo.port_of(port), data_dir, reset=reset, say=click.echo))


main.add_command(frameworks.framework)
main.add_command(checks.launches)
main.add_command(checks.doctor)
main.add_command(ledger.ledger)
main.add_command(person.person)
main.add_command(archive.archive)
tenant.add_command(archive.freeze)
tenant.add_command(archive.thaw)
