"""`nengli framework`: standards that ship, and standards as files."""

import sys
from pathlib import Path

import click
from sqlmodel import col, select

import competencies
from lms_plugin.cli.common import act, said
from lms_plugin.db import find, pk
from lms_plugin.errors import Refused
from lms_plugin.flow import exchange, framework_files, people
from lms_plugin.web.messages import sentence

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def framework() -> None:
    """Competency frameworks: what ships, and files in and out."""


@framework.command("load")
@click.option("--tenant", "tenant_name", required=True)
@click.argument("pack", type=click.Choice(competencies.packs.names()))
def load(tenant_name: str, pack: str) -> None:
    """Load a shipped pack as a draft; a curator confirms and publishes it on the pages."""
    with act() as (session, _, now):
        district = people.tenant_named(session, tenant_name)
        version = competencies.draft_from_pack(session, pk(district), competencies.packs.load(pack), now)
        waiting = competencies.unconfirmed(version)
    click.echo(f"Draft loaded / 草稿已载入. Points to confirm / 待确认能力点: {len(waiting)}")


@framework.command("list")
@click.option("--tenant", "tenant_name", required=True)
def list_all(tenant_name: str) -> None:
    """The versions of a district: what `export` calls VERSION, code, number, state."""
    with act() as (session, _, _now):
        district = people.tenant_named(session, tenant_name)
        rows = session.exec(
            select(
                competencies.FrameworkVersion.uuid,
                competencies.CompetencyFramework.code,
                competencies.FrameworkVersion.number,
                col(competencies.FrameworkVersion.state),
            )
            .join(competencies.CompetencyFramework)
            .where(
                competencies.FrameworkVersion.tenant_id == pk(district),
                competencies.CompetencyFramework.tenant_id == pk(district),
            )
            .order_by(col(competencies.FrameworkVersion.id))
        ).all()
        for uuid, code, number, state in rows:
            click.echo(f"{uuid}\t{code}\t{number}\t{state.value}")


@framework.command("export")
@click.argument("version")
@click.option("--tenant", "tenant_name", required=True)
@click.option("--format", "form", type=click.Choice(list(framework_files.FORMS)), default="case", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; the usual name if left out.")
def export(version: str, tenant_name: str, form: str, output: Path | None) -> None:
    """Write a version (its id, from `framework list`) as a CASE 1.0 package, our JSON, CSV or xlsx."""
    with act() as (session, _, _now):
        district = people.tenant_named(session, tenant_name)
        row = find(session, competencies.FrameworkVersion, pk(district), version)
        file = exchange.file_of(session, row, form)
    target = output or Path(file.filename)
    target.write_bytes(file.data)
    click.echo(f"Written / 已写出: {target} ({len(file.data)} bytes)")


@framework.command("check")
@click.argument("file", type=_FILE)
def check(file: Path) -> None:
    """Read a file (CASE, our JSON, CSV, xlsx) and say what it holds or every fault with its place; no database."""
    pack = _read(file)
    if isinstance(pack, competencies.Reference):
        click.echo(f"{pack.framework.id}\t{pack.framework.title_zh or pack.framework.title_en}")
        click.echo(f"Reference framework / 参照框架. Items / 条目: {len(pack.items)}")
        click.echo(f"SHA-256: {competencies.content_hash(pack)}")
        return
    items = [item for point in pack.points for item in point.evidence]
    click.echo(f"{pack.framework.id}\t{pack.framework.title_zh}")
    click.echo(
        f"Points / 能力点: {len(pack.points)}, evidence / 材料: {len(items)}, "
        f"criteria / 评价标准: {sum(len(item.criteria) for item in items)}"
    )
    click.echo(f"SHA-256: {competencies.content_hash(pack)}")


@framework.command("import")
@click.argument("file", type=_FILE)
@click.option("--tenant", "tenant_name", required=True)
def import_file(file: Path, tenant_name: str) -> None:
    """Take a file in as a draft; a curator confirms and publishes it on the pages. Faults change nothing."""
    pack = _read(file)
    with act() as (session, _, now):
        district = people.tenant_named(session, tenant_name)
        if isinstance(pack, competencies.Reference):
            taken = competencies.references.take_in(session, pk(district), pack, None, now)
            click.echo(f"Reference framework / 参照框架: {taken.code} v{taken.number}, {taken.items}")
            return
        version = competencies.draft_from_pack(session, pk(district), pack, now)
        uuid, waiting, is_draft = version.uuid, competencies.unconfirmed(version), version.published_at is None
    if is_draft:
        click.echo(f"Draft / 草稿: {uuid}. Points to confirm / 待确认能力点: {len(waiting)}")
    else:
        click.echo(f"Published already / 已经发布过: {uuid}")


def _read(file: Path) -> competencies.Pack | competencies.Reference:
    """The pack or the reference framework of a file; every fault is said in both languages, and ends the command."""
    with said():
        try:
            return framework_files.read(file.read_bytes())
        except Refused as refused:
            if refused.code != "pack.invalid":
                raise
            problems = refused.params["problems"]
    for one in problems:
        zh = f"第 {one.row} 行 {one.column} 列" if one.row else one.where
        en = f"row {one.row}, column {one.column}" if one.row else one.where
        click.echo(sentence(one.code, {"where": zh, "found": one.found}, "zh"), err=True)
        click.echo(f"{sentence(one.code, {'where': en, 'found': one.found}, 'en')} [{one.code}]", err=True)
    sys.exit(1)
