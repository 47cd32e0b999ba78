"""Which checks there are, in which order, and who can mend what each refusal names.

A row of the launch log keeps what a check found and nothing else: whatever comes before a refusal in these orders was
found right, whatever comes after it was never asked.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

LOGIN = ("issuer", "client", "platform", "login_hint", "target")
LAUNCH = (
    "request", "state", "platform", "browser", "answer", "token", "key", "signature", "issuer", "audience", "time",
    "nonce", "message", "version", "deployment", "target", "roles", "subject", "claims", "link",
)  # fmt: skip
REGISTER = ("address", "code", "configuration", "answer", "kept")
NOTICE = (
    "request", "token", "platform", "key", "signature", "issuer", "audience", "time", "version", "deployment", "notice",
)  # fmt: skip
LAUNCHED, REGISTERED, NOTICED = "launched", "registered", "noticed"
ENDED_WELL = (LAUNCHED, REGISTERED, NOTICED)
OF_NOTICES = "notices"  # a finding that says what the row is of; no check has this name
NO_COOKIE = "no cookie"  # a finding that refuses nothing: the person is asked instead
BY_STORAGE = "by storage"  # nor does this: what proved the browser came from the host's storage
NOBODY = "nobody named"  # nor this: the registration lets anybody look


class Result(enum.Enum):
    PASSED = "passed"
    NOTED = "noted"
    FAILED = "failed"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True)
class Step:
    """One check of one row. `finding`: the code of the refusal, or what was noted."""

    check: str
    result: Result
    finding: str = ""


class Mender(enum.Enum):
    """Who can put right what a refusal names."""

    PERSON = "person"  # whoever opens it: again, from the course
    TRAINER = "trainer"  # in the course
    PLATFORM = "platform"  # the platform's administrator, over there
    IT = "it"  # in this tool


_MENDERS: dict[Mender, tuple[str, ...]] = {
    Mender.PERSON: (
        "login.hint_missing", "launch.state_missing", "launch.state_unknown", "launch.state_expired",
        "launch.state_used", "launch.browser_other", "launch.platform_login_required", "launch.token_missing",
        "launch.expired", "launch.token_old", "launch.nonce", "launch.not_posted", "launch.anonymous",
        "register.confirm", "register.code_role", "invitation.unusable",
    ),
    Mender.TRAINER: (
        "login.target_foreign", "launch.platform_error", "launch.link_staff_only", "launch.link_type",
        "launch.for_user_missing", "launch.message_unsupported", "launch.message_unknown", "launch.target_missing",
        "launch.target_foreign", "launch.link_missing", "launch.block_other",
    ),
    Mender.PLATFORM: (
        "login.issuer_missing", "login.client_missing", "login.hint_too_long", "launch.token_too_long",
        "launch.token_malformed", "launch.algorithm", "launch.header_refused", "launch.kid_missing",
        "launch.key_unknown", "launch.keys_unavailable", "launch.signature", "launch.time_missing",
        "launch.not_yet_valid", "launch.version", "launch.deployment_missing", "launch.roles_missing",
        "launch.subject_invalid", "launch.claim_malformed", "launch.person_missing", "register.unreachable",
        "register.unreadable", "register.issuer_elsewhere", "register.refused",
        "notice.unreadable", "notice.too_large", "notice.malformed",
    ),
    Mender.IT: (
        "login.issuer_unknown", "login.client_unknown", "login.platform_disabled", "launch.platform_disabled",
        "launch.issuer", "launch.audience", "launch.deployment_unknown", "register.address", "platform.taken",
        "register.read_only",
        "notice.platform_unknown",
    ),
}  # fmt: skip
MENDS = {code: who for who, codes in _MENDERS.items() for code in codes}


def way_of(outcome: str, findings: Mapping[str, str]) -> str:
    """What a row of this outcome was: login | launch | register | notice."""
    if outcome == NOTICED or outcome.startswith("notice.") or OF_NOTICES in findings:
        return "notice"
    if outcome.startswith("login."):
        return "login"
    if outcome == REGISTERED or outcome.startswith(("register.", "invitation.", "platform.")):
        return "register"
    return "launch"


ORDERS = {"login": LOGIN, "launch": LAUNCH, "register": REGISTER, "notice": NOTICE}


def is_refused(outcome: str) -> bool:
    """Whether it ended in a refusal."""
    return outcome not in ENDED_WELL


def after(order: tuple[str, ...], passed: str) -> str:
    """The check that comes next."""
    at = order.index(passed) + 1 if passed in order else 0
    return order[min(at, len(order) - 1)]


def steps(outcome: str, findings: Mapping[str, str]) -> list[Step]:
    """Each check of a row in order. "ok" stands in rows of the first version, which kept every check."""
    found: list[Step] = []
    ended = False
    for check in ORDERS[way_of(outcome, findings)]:
        finding = findings.get(check, "ok")
        if ended:
            found.append(Step(check, Result.NOT_ASKED))
        elif finding == "ok":
            found.append(Step(check, Result.PASSED))
        elif finding == outcome:
            found.append(Step(check, Result.FAILED, finding))
            ended = True
        else:
            found.append(Step(check, Result.NOTED, finding))
    return found
