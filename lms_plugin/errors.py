"""What can go wrong, by code. No text stands here: pages translate the code (`translations/`, docs/errors.md)."""

from typing import Any


class Refused(Exception):
    """An act that the rules do not allow. `code` is `part.reason`; `params` fill the translated sentence."""

    status = 422

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


class NotFound(Refused):
    """The thing does not exist for this person: another tenant's things do not exist either."""

    status = 404

    def __init__(self, code: str = "page.not_found", **params: Any) -> None:
        super().__init__(code, **params)


class Forbidden(Refused):
    """The thing is in the person's own tenant, but their roles do not reach it."""

    status = 403

    def __init__(self, code: str = "page.forbidden", **params: Any) -> None:
        super().__init__(code, **params)


class Conflict(Refused):
    """Somebody else changed it first; `params` carries what the page shows of the newer state."""

    status = 409


class Invalid(Refused):
    """Fields of a form that do not fit: `fields` maps a field's name to a code (and its params)."""

    def __init__(self, fields: dict[str, "str | tuple[str, dict[str, Any]]"]) -> None:
        super().__init__("form.invalid")
        self.fields = fields


NO_ANSWER = ("net.unreachable", "net.timeout")


class Unavailable(Exception):
    """A host or service did not do what was asked. `permanent` says that trying again cannot help.

    `words` are the host's own words, shortened and safe to show to the person concerned; where no answer came
    (`NO_ANSWER`), what was in the way: dns | tls | connection.
    """

    def __init__(self, code: str, *, permanent: bool = False, words: str = "", retry_after: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.permanent = permanent
        self.words = words
        self.retry_after = retry_after

    @property
    def answer(self) -> str:
        """The host's own words, "" where it has not said any."""
        return "" if self.code in NO_ANSWER else self.words
