"""Requests as they come off the wire, made fit to be read."""

from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_ASCII = "".join(map(chr, range(128)))


def fit_to_be_read(application: "WSGIApplication") -> "WSGIApplication":
    """The application, to which no request comes that it cannot read or must not believe.

    - Bytes that are not ASCII have no place in a query (RFC 3986, 2.1), but come: they are percent-encoded, as
      browsers do, for what is no UTF-8 breaks werkzeug.
    - A form that ends before its declared length is refused (400) where it is read. gunicorn gives what came before a
      line was cut as if it were all of it: half a reflection would replace the whole one. The parts of an upload
      (PATCH) are kept as far as they came.
    """

    def reading(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        query = environ.get("QUERY_STRING", "")
        if not query.isascii():
            environ["QUERY_STRING"] = quote_from_bytes(query.encode("latin-1"), safe=_ASCII)
        if environ["REQUEST_METHOD"] == "POST" and environ.get("CONTENT_LENGTH"):
            environ.pop("wsgi.input_terminated", None)
        return application(environ, start_response)

    return reading
