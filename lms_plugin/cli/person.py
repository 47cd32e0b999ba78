"""`nengli person`: what is personal of somebody is taken out, where the law asks for it."""

import click

from lms_plugin.cli.common import act
from lms_plugin.db import find, pk
from lms_plugin.flow import erasing, humans, people
from lms_plugin.people import Person


@click.group()
def person() -> None:
    """Somebody's personal data (保存的资料)."""


@person.command("erase")
@click.option("--tenant", "tenant_name", required=True)
@click.option("--person", "uuid", required=True, help="The end of the address of their page of what is kept: /data/…")
@click.option("--reason", required=True, help="At whose word, and which officer agreed; without the person's name.")
@click.option("--yes", "is_meant", is_flag=True, help="Do it. Without, only what would go is said.")
def erase(tenant_name: str, uuid: str, reason: str, is_meant: bool) -> None:
    """Take out name, accounts, works and files of one person, for good. Points, hours and seals stay under a code."""
    with act() as (session, _, now):
        row = find(session, Person, pk(people.tenant_named(session, tenant_name)), uuid)
        receipt = erasing.erase(session, humans.today_of(session, row), reason, now)
        for kind, count in receipt.removed.items():
            click.echo(f"{kind}\t{count}")
        if not is_meant:
            session.rollback()
            click.echo("Nothing was changed; --yes does it. / 什么也没有改；加上 --yes 才执行。")
            return
    click.echo("Done; the files' bytes go within the hour. / 已清除；文件在一小时内删去。")
