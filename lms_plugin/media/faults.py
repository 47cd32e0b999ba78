"""What a file can have wrong with it."""

from lms_plugin.errors import Refused


class Fault(Refused):
    """A file that cannot be read; `inspect` turns it into the inspection's `problem`, everything else lets it rise."""

    reason = "file.broken"

    def __init__(self) -> None:
        super().__init__(self.reason)


class Broken(Fault):
    """Cut off, damaged, or not what it says."""


class Encrypted(Fault):
    """Readable only with a password."""

    reason = "file.encrypted"


class Bomb(Fault):
    """Unpacks to more than any honest file does, or has more parts than we are ready to look at."""

    reason = "file.too_complex"
