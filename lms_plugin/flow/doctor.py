"""自检: what is wrong with the installation and the way to its platforms, each line with its cure.

In three steps like every service call: `begin` (in a transaction), `Examination.run` (HTTP, in none). Nothing is kept.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from sqlmodel import Session, col, func, select

import competencies
import lti
from lms_plugin import media, outbox
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.config import Settings
from lms_plugin.db import pk
from lms_plugin.errors import Unavailable
from lms_plugin.flow.messages_mail import channel_of
from lms_plugin.flow.platforms import trial_of
from lms_plugin.mail import Channel
from lms_plugin.net import Http, Network
from lms_plugin.people import Tenant
from lms_plugin.storage import Storage

MOST_ON_A_PAGE = 6  # platforms that are tried while somebody waits
AT_ONCE = 4
PATIENCE = 5.0  # seconds for one request
CLOCKS_AGREE = 30  # seconds; launches bear 60
SILENT = timedelta(minutes=3)  # the worker says every minute that it lives
LATE = timedelta(minutes=30)
SEALED_WITHIN = timedelta(minutes=5)  # the worker seals the ledger every minute
LEAST_FREE = 5 * 1024**3
LEAST_DAYS = 14
LEAST_KINDS = 16  # of characters in a secret that chance has made
_OPENS_KEYS = "doctor.step_secret"  # whether our keys can be opened, and by nobody else
_GUESSED = ("password", "secret", "changeme", "change-me", "example")

Words = Mapping[str, str | int]


@dataclass(frozen=True)
class Line:
    """What was looked at, and what is wrong with it: `code` "" = nothing. `subject`: which platform. `is_note`: no
    fault, or one that cannot be told from here."""

    step: str
    code: str = ""
    params: Words = field(default_factory=dict)
    is_note: bool = False
    subject: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether somebody has to do something."""
        return bool(self.code) and not self.is_note


@dataclass(frozen=True)
class Place:
    """The installation, as its settings say."""

    public_url: str
    proxies: int
    secret_key: str
    storage: Storage
    allow_loopback: bool
    clock: Callable[[], datetime]
    networks: tuple[Network, ...] = ()
    channel: Channel | None = None

    def http(self, *, own: bool = False) -> Http:
        """For requests to platforms; `own`: to the tool itself, whose name may lead to a private address."""
        host = (urlsplit(self.public_url).hostname or "") if own else ""
        return Http(allow_loopback=self.allow_loopback, networks=self.networks, total_seconds=PATIENCE, own_host=host)


def place_of(settings: Settings, storage: Storage, clock: Callable[[], datetime]) -> Place:
    """The installation of these settings."""
    return Place(
        public_url=settings.public_url,
        proxies=settings.proxies,
        secret_key=settings.secret_key.get_secret_value(),
        storage=storage,
        allow_loopback=settings.allow_loopback,
        clock=clock,
        networks=settings.networks,
        channel=channel_of(settings),
    )


def begin(session: Session, actor: Actor, place: Place, now: datetime) -> "Examination":
    """For a page: the installation, and the district's platforms that were launched from last."""
    require(actor, Permission.PLATFORM_MANAGE, Scope(actor.tenant_id))
    rows, left_out = _chosen(session, actor.tenant_id, MOST_ON_A_PAGE)
    return _examination(session, place, rows, left_out, now)


def begin_all(session: Session, place: Place, now: datetime) -> "Examination":
    """For the operator: all districts' platforms, one registration an issuer, and the secret."""
    rows: list[lti.Platform] = []
    for tenant_id in session.exec(select(Tenant.id).order_by(col(Tenant.id))):
        rows += _chosen(session, tenant_id or 0, None)[0]
    made = _examination(session, place, rows, 0, now)
    if not any(line.step == _OPENS_KEYS for line in made.lines):
        made.lines.append(_secret(place.secret_key))
    return made


def _chosen(session: Session, tenant_id: int, most: int | None) -> tuple[list["lti.Platform"], int]:
    """One registration of each issuer, of several the one launched from last; and how many issuers are left out."""
    rows = [row for row in lti.platforms(session, tenant_id) if not row.is_disabled]
    used = lti.platform_use(session, tenant_id, [pk(row) for row in rows])
    never = datetime.min.replace(tzinfo=UTC)

    def last(row: "lti.Platform") -> datetime:
        return (used[pk(row)].launched_at or never).replace(tzinfo=UTC)

    newest = {row.issuer: row for row in sorted(rows, key=last)}
    found = sorted(newest.values(), key=last, reverse=True)
    return found[:most], len(found) - len(found[:most])


def _examination(
    session: Session, place: Place, rows: list["lti.Platform"], left_out: int, now: datetime
) -> "Examination":
    http, lines = place.http(), _inside(session, place, now)
    try:
        patients = [
            Patient(
                row.name or row.issuer,
                row.issuer,
                row.product,
                trial_of(session, row, now, secret_key=place.secret_key, http=http),
            )
            for row in rows
        ]
    except Unavailable as error:  # our keys cannot be opened: no platform can be asked for anything
        patients = []
        lines.append(Line(_OPENS_KEYS, error.code))
    kids = {str(key["kid"]) for key in lti.tool_jwks(session, now)["keys"]}
    return Examination(place, lines, patients, kids, left_out)


# --- what can be told without asking anybody ---


def _inside(session: Session, place: Place, now: datetime) -> list[Line]:
    from lms_plugin import migrate  # noqa: PLC0415 - brings Alembic, 9 MB that no other page needs

    lines = [Line("doctor.step_database")]
    is_head = migrate.at_head(session.connection())
    lines.append(Line("doctor.step_migrations", "" if is_head else "doctor.not_at_head"))
    theirs = session.exec(select(func.now())).one()
    apart = int((_utc(theirs) - now).total_seconds())
    wrong = abs(apart) > CLOCKS_AGREE
    lines.append(Line("doctor.step_clock", "doctor.clock_database" if wrong else "", {"seconds": apart}))
    lines.append(_worker(session, now))
    late = session.exec(
        select(func.count()).where(
            col(outbox.Job.state) == outbox.JobState.READY,
            col(outbox.Job.run_at) < now - LATE,
        )
    ).one()
    lines.append(Line("doctor.step_jobs", "doctor.jobs_late" if late else "", {"count": late}))
    waiting = competencies.unsealed_since(session, now - SEALED_WITHIN)
    lines.append(Line("doctor.step_seals", "doctor.unsealed" if waiting else "", {"count": waiting}))
    lines.append(_storage(place.storage))
    return lines


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _worker(session: Session, now: datetime) -> Line:
    at = outbox.last_beat(session)
    if at is None:
        return Line("doctor.step_worker", "doctor.worker_never")
    silent = now - _utc(at)
    code = "doctor.worker_silent" if silent > SILENT else ""
    return Line("doctor.step_worker", code, {"minutes": int(silent.total_seconds() // 60)})


def _storage(storage: Storage) -> Line:
    try:
        free = storage.probe()
    except OSError as error:
        return Line("doctor.step_storage", "doctor.storage_unwritable", {"words": type(error).__name__})
    code = "doctor.storage_low" if free < LEAST_FREE else ""
    return Line("doctor.step_storage", code, {"free": f"{free / 1024**3:.1f}"})


def _secret(secret: str) -> Line:
    """Made by chance, as `nengli secret` does, or typed by somebody."""
    guessed = any(word in secret.lower() for word in _GUESSED)
    is_weak = guessed or len(set(secret)) < LEAST_KINDS
    return Line(_OPENS_KEYS, "doctor.secret_weak" if is_weak else "")


def proxy_line(public_url: str, seen: str, *, is_forwarded: bool, proxies: int) -> Line:
    """Whether requests arrive here under the address that the settings say. `seen`: how the tool was addressed."""
    said, wanted = lti.origin(seen), lti.origin(public_url)  # "" of what is no address, whatever a client wrote
    words = {"seen": seen, "public_url": public_url}
    if said and said.partition(":")[0] != wanted.partition(":")[0]:
        code = "doctor.proxy_unbelieved" if is_forwarded and not proxies else "doctor.proxy_scheme"
        return Line("doctor.step_proxy", code, words)
    if said != wanted:
        return Line("doctor.step_proxy", "doctor.proxy_host", words)
    return Line("doctor.step_proxy")


# --- what others have to be asked for ---


@dataclass
class Patient:
    """A platform that is to be tried."""

    name: str
    issuer: str
    product: str
    trial: "lti.Trial"

    def examine(self, http: Http, clock: Callable[[], datetime]) -> list[Line]:
        """Its clock, then its keys, tokens and roster. Raises nothing."""
        return [self._reach(http, clock), *(self._line(finding) for finding in self.trial.run())]

    def _line(self, finding: "lti.Finding") -> Line:
        step, code = f"trial.step_{finding.step}", finding.code
        if code == "trial.token_keys" and self.product == "moodle":
            # Moodle answers 400 to whatever it cannot verify, and fetches our keys each time.
            code = "doctor.moodle_keys"
        return Line(step, code, {"words": finding.words}, finding.is_note, self.name)

    def _reach(self, http: Http, clock: Callable[[], datetime]) -> Line:
        step, sent = "doctor.step_issuer", clock()
        try:
            answer = http.request("HEAD", self.issuer)
        except Unavailable as error:
            words = {"words": error.words or error.code, "issuer": self.issuer}
            return Line(step, "doctor.issuer_unreachable", words, subject=self.name)
        try:
            theirs = parsedate_to_datetime(answer.headers.get("Date", ""))
        except (ValueError, TypeError):
            return Line(step, "doctor.clock_unknown", is_note=True, subject=self.name)
        apart = int((_utc(theirs) - sent - (clock() - sent) / 2).total_seconds())
        code = "doctor.clock_platform" if abs(apart) > CLOCKS_AGREE else ""
        return Line(step, code, {"seconds": apart}, subject=self.name)


@dataclass
class Examination:
    """What was found inside, and what is still to be asked. `kids`: the keys that our own address must show."""

    place: Place
    lines: list[Line]
    patients: list[Patient]
    kids: set[str]
    left_out: int

    def run(self) -> list[Line]:
        """Asks the tool's own address and every platform. Touches no database."""
        http, clock = self.place.http(), self.place.clock
        with ThreadPoolExecutor(AT_ONCE) as pool:
            own = pool.submit(self._own)
            mail = pool.submit(self._mail)
            examined = list(pool.map(lambda one: one.examine(http, clock), self.patients))
        told = [line for lines in examined for line in lines]
        # A platform that granted a token has read our keys: then it is only this server that cannot see itself.
        is_read = any(line.step == "trial.step_score" and not line.code for line in told)
        found = [
            replace(line, is_note=True) if line.code == "doctor.self_unreachable" and is_read else line
            for line in own.result()
        ]
        if self.left_out:
            found.append(Line("doctor.step_issuer", "doctor.left_out", {"count": self.left_out}, is_note=True))
        found += mail.result()
        lacks = media.printer_lacks()  # a note: browsers print the same page
        return [*self.lines, Line("doctor.step_printer", lacks, is_note=bool(lacks)), *found, *told]

    def _mail(self) -> list[Line]:
        """The mail server, where letters are set up: connected, secured, signed in."""
        if self.place.channel is None:
            return []
        try:
            self.place.channel.check()
        except Unavailable as error:
            return [Line("doctor.step_mail", error.code)]
        return [Line("doctor.step_mail")]

    def _own(self) -> list[Line]:
        """The tool from outside, as far as its own server sees it."""
        http, url = self.place.http(own=True), self.place.public_url
        lines = [self._certificate(http)]
        try:
            shown = http.get_json(f"{url}/.well-known/jwks.json")
            listed = shown.get("keys") if isinstance(shown, dict) else None
            kids = [one.get("kid") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
            is_ours = all(kid in kids for kid in self.kids)
            lines.append(Line("doctor.step_keys", "" if is_ours else "doctor.keys_other", {"url": url}))
            said = http.get_json(f"{url}/readyz")
        except Unavailable as error:
            words = {"words": error.words or error.code, "url": url}
            return [*lines, Line("doctor.step_keys", "doctor.self_unreachable", words)]
        if isinstance(said, dict) and isinstance(said.get("seen"), str):
            forwarded = bool(said.get("forwarded"))
            proxies = self.place.proxies
            lines.append(proxy_line(url, said["seen"], is_forwarded=forwarded, proxies=proxies))
        return lines

    def _certificate(self, http: Http) -> Line:
        step, url = "doctor.step_certificate", self.place.public_url
        if not url.startswith("https://"):
            return Line(step, "doctor.no_https", is_note=self.place.allow_loopback)
        try:
            until = http.certificate(url)
        except Unavailable as error:
            if error.code.startswith("net.tls"):
                return Line(step, error.code, {"words": error.words, "url": url})
            return Line(step, "doctor.self_unreachable", {"words": error.words or error.code, "url": url})
        days = (until - self.place.clock()).days
        return Line(step, "doctor.tls_soon" if days < LEAST_DAYS else "", {"days": days})
