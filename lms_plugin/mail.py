"""The ways in which a letter leaves the house. The first is e-mail by SMTP; another one is another `Channel`."""

import re
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Literal, Protocol

from lms_plugin.errors import Unavailable

SECONDS = 15.0  # for each step of an exchange with the mail server
_ADDRESS = re.compile(r"\S+@\S+")
Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True)
class Post:
    """A letter as a channel takes it: plain text. `headers`: what mail programs act on, such as List-Unsubscribe."""

    to: str
    subject: str
    text: str
    message_id: str
    at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)


class Channel(Protocol):
    """Something that delivers letters."""

    def send(self, post: Post) -> None:
        """Hands the letter over, or raises Unavailable: `permanent` where this letter will never be taken."""

    def check(self) -> None:
        """Goes as far as one can without a letter. Raises Unavailable with what is in the way."""


@dataclass(frozen=True)
class Smtp:
    """A mail server of the operator's choice, as the settings name it (no stranger can name one).

    Codes of what goes wrong: mail.unreachable, mail.timeout, mail.tls, mail.no_starttls, mail.login_refused,
    mail.later (4xx, as greylisting says it), mail.sender_refused, mail.recipient_refused and mail.content_refused (5xx;
    these two permanent).
    """

    host: str
    port: int
    security: Security
    sender: str
    name: str
    user: str = ""
    password: str = field(default="", repr=False)
    trust: ssl.SSLContext | None = None
    seconds: float = SECONDS

    def send(self, post: Post) -> None:
        """One exchange with the server, one letter."""
        message = EmailMessage()
        user, _at, domain = self.sender.rpartition("@")
        message["From"] = Address(self.name, user, domain)
        message["To"] = post.to
        message["Subject"] = post.subject
        message["Date"] = format_datetime(post.at)
        message["Message-ID"] = post.message_id
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        for name, value in post.headers.items():
            message[name] = value
        message.set_content(post.text, charset="utf-8", cte="base64")
        with self._open() as server:
            server.send_message(message, from_addr=self.sender, to_addrs=[post.to])

    def check(self) -> None:
        """Connects, secures, signs in."""
        with self._open() as server:
            server.noop()

    @contextmanager
    def _open(self) -> Iterator[smtplib.SMTP]:
        trust = self.trust or ssl.create_default_context()
        try:
            server = self._connected(trust)
            try:
                if self.security == "starttls":
                    server.starttls(context=trust)
                if self.user:
                    server.login(self.user, self.password)
                yield server
            finally:
                with suppress(smtplib.SMTPException, OSError):
                    server.quit()  # whatever it says to that: what it took, it took
                server.close()
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            raise _said(code, words, "mail.recipient_refused", permanent=True) from error
        except smtplib.SMTPAuthenticationError as error:
            raise _said(error.smtp_code, error.smtp_error, "mail.login_refused") from error
        except smtplib.SMTPSenderRefused as error:
            raise _said(error.smtp_code, error.smtp_error, "mail.sender_refused") from error
        except smtplib.SMTPDataError as error:
            raise _said(error.smtp_code, error.smtp_error, "mail.content_refused", permanent=True) from error
        except smtplib.SMTPNotSupportedError as error:
            raise Unavailable("mail.no_starttls" if self.security == "starttls" else "mail.login_refused") from error
        except smtplib.SMTPResponseException as error:
            raise _said(error.smtp_code, error.smtp_error, "mail.unreachable") from error
        except ssl.SSLError as error:
            raise Unavailable("mail.tls") from error
        except TimeoutError as error:
            raise Unavailable("mail.timeout") from error
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable("mail.unreachable") from error

    def _connected(self, trust: ssl.SSLContext) -> smtplib.SMTP:
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.seconds, context=trust)
        return smtplib.SMTP(self.host, self.port, timeout=self.seconds)


def _said(status: int, words: bytes | str, code: str, *, permanent: bool = False) -> Unavailable:
    """What a server answered: below 500 it asks for another try, whatever it was about."""
    said = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    told = _ADDRESS.sub("…", said)[:200]  # these words go into logs
    if status < 500:
        return Unavailable("mail.later", words=f"{status} {told}")
    return Unavailable(code, permanent=permanent, words=f"{status} {told}")
