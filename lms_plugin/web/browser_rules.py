"""What every answer tells the browser: who may frame it, where its forms may go, what is never kept or passed on."""

from functools import lru_cache

Header = tuple[str, str]

_ALWAYS: tuple[Header, ...] = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin-allow-popups"),
    ("Permissions-Policy", "geolocation=(), microphone=(), camera=(self)"),
)
NOBODY = "'none'"  # frames what is no page


@lru_cache(maxsize=64)
def of_page(ancestors: str, forms: str, *, is_secure: bool) -> tuple[Header, ...]:
    """The headers of a page, or of what leads to one: a strict CSP, and nothing of it stays in a cache.

    `ancestors`: sources that may frame it (CSP `frame-ancestors`). `forms`: sources its forms may be sent to.
    `is_secure`: it is asked for by https.
    """
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        f"connect-src 'self'; font-src 'self'; "
        f"form-action {forms}; base-uri 'none'; frame-ancestors {ancestors}"
    )
    kept = (("Cache-Control", "no-store"), ("Content-Security-Policy", policy))
    return (*_ALWAYS, *kept, *_secure(is_secure))


def of_file(*, is_secure: bool) -> tuple[Header, ...]:
    """The headers of our own scripts, styles and pictures, which everybody may keep."""
    return (*_ALWAYS, *_secure(is_secure))


def _secure(is_secure: bool) -> tuple[Header, ...]:
    return (("Strict-Transport-Security", "max-age=31536000"),) if is_secure else ()
