"""`nengli archive`: a district leaves with all it has, and arrives at another installation."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session

import lti
from lms_plugin import worker
from lms_plugin.cli.common import act, said
from lms_plugin.config import Settings
from lms_plugin.db import engine, pk, session_factory
from lms_plugin.flow import archive_export, archive_import, archives, intakes, people
from lms_plugin.storage import Storage

MB = 1 << 20
_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.group()
def archive() -> None:
    """One file with everything of a district (全县数据包): docs/archive.md."""


@contextmanager
def factory_of(settings: Settings) -> Iterator["sessionmaker[Session]"]:
    """Makes sessions of the installation's database."""
    bind = engine(settings.database_url)
    try:
        yield session_factory(bind)
    finally:
        bind.dispose()


@dataclass
class Telling:
    """Says how far it has come, every other second."""

    clock: Callable[[], float] = time.monotonic
    told_at: float = field(default=0.0)

    def __call__(self, progress: archive_export.Progress) -> None:
        """Says it, if it is time."""
        if self.clock() - self.told_at >= 2:
            self.told_at = self.clock()
            files = f"{progress.files}/{progress.all_files}" if progress.all_files else str(progress.files)
            click.echo(
                f"  {progress.rows} records / 条记录, {files} files / 个文件, {progress.bytes // MB} MB",
                err=True,
            )


@archive.command("export")
@click.option("--tenant", "tenant_name", required=True)
@_FILE
def export(tenant_name: str, file: Path) -> None:
    """Pack a district into FILE. Cut off, the same command goes on where it was."""
    with act(is_writing=False) as (session, settings, _now):
        tenant_id = pk(people.tenant_named(session, tenant_name))
        session.rollback()  # packing takes a look of its own
        with factory_of(settings) as factory:
            packed = archive_export.export(factory, tenant_id, Storage(settings.storage_dir), file, Telling())
    done = packed.progress
    click.echo(f"Packed / 已打包: {done.rows} records / 条记录, {done.files - packed.missing} files / 个文件")
    if packed.missing:
        click.echo(f"Missing on the disk / 磁盘上缺少: {packed.missing} files / 个文件")
    click.echo(f"Hash of the manifest / 清单校验值: {packed.hash}")


@archive.command("verify")
@_FILE
def verify(file: Path) -> None:
    """Read every byte of FILE and hold it against its manifest. Nothing is written."""
    with said():
        hashed, manifest = archive_import.look(file, Telling())
    tenant, files = manifest["tenant"], manifest["files"]
    click.echo(f"✓ {tenant['name']}: {sum(manifest['rows'].values())} records / 条记录")
    click.echo(f"  {files['count'] - files['missing']} files / 个文件, {files['missing']} missing / 个缺少")
    click.echo(f"Hash of the manifest / 清单校验值: {hashed}")


@archive.command("import")
@click.option("--hash", "expected", default="", help="The manifest's hash, as the old installation said it.")
@click.option("--with-faults", is_flag=True, help="Also with a ledger that did not hold at the old installation.")
@click.option("--here", is_flag=True, help="In this process, without the worker.")
@_FILE
def import_(expected: str, with_faults: bool, here: bool, file: Path) -> None:
    """Take the district in FILE into this installation: whole, or not at all.

    The worker does it; this prints the address of a page that shows how far it is, stops it and lets it go on.
    """
    if here:
        _take_in(expected, with_faults, file)
        return
    with act() as (session, settings, now):
        name, code = intakes.begin(session, file, expected, now, with_faults=with_faults)
        address, wake = f"{settings.public_url}/arriving/{code}", worker.waker(settings)
    wake()
    click.echo(f"The worker takes it in / 后台正在收下: {name}")
    click.echo(f"How far it is / 看进度: {address}")
    click.echo("Whoever has this address can stop it: keep it to yourself / 有这个网址的人能停下它，请不要外传")


def _take_in(expected: str, with_faults: bool, file: Path) -> None:
    with act(is_writing=False) as (_session, settings, _now), factory_of(settings) as factory:
        secret = settings.secret_key.get_secret_value()
        taken = archive_import.take_in(
            factory,
            Storage(settings.storage_dir),
            file,
            Telling(),
            expected=expected,
            with_faults=with_faults,
            ending=lambda session, _taken: lti.ensure_tool_key(session, secret, datetime.now(UTC)),
        )
    done = taken.progress
    click.echo(f"Arrived / 已收下: {taken.name}, {done.rows} records / 条记录, {done.files} files / 个文件")
    click.echo(f"Hash of the manifest / 清单校验值: {taken.hash}")
    if taken.faults:
        click.echo(f"Places in which its ledger differs from its seals / 台账与封存对不上: {taken.faults}")
    click.echo("Now connect its course platforms / 请接着接入课程平台: nengli platform enable | add")
    click.echo("and invite the first officer / 并邀请第一位管理员: nengli officer invite")


@click.command("freeze")
@click.option("--tenant", "tenant_name", required=True)
@click.option("--forward", "url", required=True, help="Where the district goes on: https://…")
@click.option("--from", "day", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The first day.")
def freeze(tenant_name: str, url: str, day: datetime) -> None:
    """From that day on nothing can be changed in a district (只读); every page leads to the new address."""
    with act() as (session, _, now):
        row = people.tenant_named(session, tenant_name)
        archives.set_forward(session, pk(row), url, day.date(), now)
    click.echo(f"Read-only from / 只读，从: {day:%Y-%m-%d} → {url}")


@click.command("thaw")
@click.option("--tenant", "tenant_name", required=True)
def thaw(tenant_name: str) -> None:
    """The district goes on here after all."""
    with act() as (session, _, _now):
        archives.clear_forward(session, pk(people.tenant_named(session, tenant_name)))
    click.echo("Not read-only any more / 已恢复使用")
