"""`nengli launches` and `nengli doctor`: what the operator looks at when something is wrong."""

import contextlib
import sys
from datetime import UTC, datetime

import click
from sqlalchemy.exc import OperationalError, ProgrammingError

import lti
from lms_plugin import migrate
from lms_plugin.cli.common import NotSetUp, act, settings_or_end
from lms_plugin.db import pk
from lms_plugin.flow import doctor as examination
from lms_plugin.flow import people
from lms_plugin.flow.launches import Entry, entry_of
from lms_plugin.storage import Storage
from lms_plugin.web.messages import sentence

MARKS = {lti.Result.PASSED: "✓", lti.Result.NOTED: "–", lti.Result.FAILED: "✗", lti.Result.NOT_ASKED: " "}
LANGUAGES = ("zh", "en")


@click.command("launches")
@click.argument("reference", default="")
@click.option("--tenant", "tenant_name", default="", help="Of one district only.")
@click.option("--refused", is_flag=True, help="Refusals only.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many, the newest first.")
def launches(reference: str, tenant_name: str, refused: bool, limit: int) -> None:
    """The launch log: all of it, also refusals for which no district is known; with a REFERENCE, check by check."""
    with act() as (session, _, _now):
        tenant_id = pk(people.tenant_named(session, tenant_name)) if tenant_name else None
        if reference:
            row = lti.launch_row(session, tenant_id, lti.reference_of(reference))
            found = [entry_of(session, row)] if row is not None else []
        else:
            rows = lti.launch_rows(session, lti.Wanted(tenant_id, refused), 0, limit)
            found = [entry_of(session, row) for row in rows]
    for entry in found:
        where = entry.platform or entry.issuer or "–"
        click.echo(f"{entry.at:%Y-%m-%d %H:%M:%S}Z\t{entry.reference}\t{entry.outcome}\t{where}\t{entry.detail}")
    if reference and found:
        _explain(found[0])
    if reference and not found:
        click.echo("No such reference / 没有这个编号")
        sys.exit(1)


def _explain(entry: Entry) -> None:
    for step in entry.steps:
        words = " / ".join(sentence(f"check.{entry.way}_{step.check}", {}, language) for language in LANGUAGES)
        click.echo(f"{MARKS[step.result]} {words}{f' [{step.finding}]' if step.finding else ''}")
    if entry.is_refused:
        for language in LANGUAGES:
            click.echo(sentence(entry.outcome, entry.params, language))
    for name, value in entry.claims.items():
        click.echo(f"  {name}: {value}")


@click.command("doctor")
def doctor() -> None:
    """Look at clock, database, worker, storage, secret, certificate, proxy and every platform; says what is wrong and
    how to mend it. Exit code 1 when something is."""
    try:
        with act() as (session, settings, now):
            place = examination.place_of(settings, Storage(settings.storage_dir), lambda: datetime.now(UTC))
            begun = examination.begin_all(session, place, now)
            jwks = settings.jwks_url
    except (OperationalError, ProgrammingError, NotSetUp) as error:
        _tell(_of_database(error), "")
        sys.exit(1)
    lines = begun.run()
    for line in lines:
        _tell(line, jwks)
    if any(line.is_wrong for line in lines):
        sys.exit(1)


def _of_database(error: Exception) -> examination.Line:
    """What keeps us from reading the database: it lacks migrations, or does not answer."""
    with contextlib.suppress(OperationalError):
        if not migrate.is_at_head(settings_or_end().database_url):
            return examination.Line("doctor.step_migrations", "doctor.not_at_head")
    cause = error.__cause__ if isinstance(error, NotSetUp) else error
    words = {"words": type(getattr(cause, "orig", cause)).__name__}
    return examination.Line("doctor.step_database", "doctor.database_down", words)


def _tell(line: examination.Line, jwks: str) -> None:
    mark = "✗" if line.is_wrong else "–" if line.code else "✓"
    subject = f"{line.subject} · " if line.subject else ""
    step = " / ".join(sentence(line.step, {}, language) for language in LANGUAGES)
    click.echo(f"{mark} {subject}{step}{f' [{line.code}]' if line.code else ''}")
    for language in LANGUAGES if line.code else ():
        click.echo(f"    {sentence(line.code, {**line.params, 'jwks': jwks}, language)}")
