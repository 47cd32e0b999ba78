"""Which platform notices we ask a host for (Platform Notification Service 1.0), and how."""

from collections.abc import Iterable, Mapping

from lms_plugin.errors import Unavailable
from lti.text import clean

NOTICES = "https://purl.imsglobal.org/spec/lti/scope/noticehandlers"
COPIED, GREETING = "LtiContextCopyNotice", "LtiHelloWorldNotice"
KINDS = (COPIED, GREETING)


def ours(kinds: Iterable[str]) -> str:
    """Of the kinds that a host offers those that we understand, as they are kept: sorted, a space between."""
    return " ".join(sorted(set(kinds) & set(KINDS)))


def handlers_of(answer: object) -> dict[str, str]:
    """Kind → the address that the host holds for it, "" = none. Raises Unavailable for what is no list of handlers."""
    listed = answer.get("notice_handlers") if isinstance(answer, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Unavailable("notice.host_answer", permanent=True, words="notice_handlers")
    return {clean(str(one.get("notice_type", "")), 100): str(one.get("handler") or "") for one in listed}


def changes(held: Mapping[str, str], kinds: str, address: str) -> dict[str, str]:
    """What the host has to be told, kind → address: `kinds` come to us, and nothing else of ours; what it holds already
    is not said again, and what it holds for others is left alone."""
    wanted = dict.fromkeys(kinds.split(), address)
    told = {kind: target for kind, target in wanted.items() if held.get(kind, "") != target}
    return told | {kind: "" for kind, target in held.items() if target == address and kind not in wanted}
