"""The tool as a browser meets it that keeps no cookie in a host's frame: what is not top level sets none."""

from collections.abc import Callable, Iterable
from typing import Any

from lms_plugin import wsgi


def app() -> Callable[..., Iterable[bytes]]:
    """The application behind a filter of `Set-Cookie`."""
    inner = wsgi.app()

    def outer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        is_top = environ.get("HTTP_SEC_FETCH_DEST") == "document"

        def start(status: str, headers: list[tuple[str, str]], error: Any = None) -> Any:
            kept = headers if is_top else [one for one in headers if one[0].lower() != "set-cookie"]
            return start_response(status, kept, error)

        return inner(environ, start)

    return outer
