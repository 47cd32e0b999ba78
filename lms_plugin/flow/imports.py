"""A file that an officer sent waits here between its check and the word to take it in, outside the database.

A token is 32 random hexadecimal digits; only the person who sent the file can use it, for one purpose, for a day.
"""

import json
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from lms_plugin.access import Actor
from lms_plugin.errors import NotFound

KEPT_FOR = timedelta(hours=24)
_TOKEN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Kept:
    """A file that waits: its bytes and the name it came with."""

    token: str
    filename: str
    data: bytes


class Tray:
    """The folder of files that wait."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, actor: Actor, purpose: str, filename: str, data: bytes, now: datetime) -> str:
        """Puts a file in and gives its token; files older than a day are swept out on the way."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep(now)
        token = secrets.token_hex(16)
        label = {
            "tenant": actor.tenant_id,
            "person": actor.person_id,
            "purpose": purpose,
            "filename": filename[:200],
            "kept_at": now.isoformat(),
        }
        (self.folder / f"{token}.bytes").write_bytes(data)
        (self.folder / f"{token}.json").write_text(json.dumps(label, ensure_ascii=False), encoding="utf-8")
        return token

    def open(self, actor: Actor, purpose: str, token: str, now: datetime) -> Kept:
        """The file of a token. Raises NotFound `import.gone` for anybody else's, another purpose's or an old one."""
        if not _TOKEN.fullmatch(token):
            raise NotFound("import.gone")
        try:
            label = json.loads((self.folder / f"{token}.json").read_text(encoding="utf-8"))
            data = (self.folder / f"{token}.bytes").read_bytes()
        except (OSError, ValueError) as error:
            raise NotFound("import.gone") from error
        mine = (label["tenant"], label["person"], label["purpose"]) == (actor.tenant_id, actor.person_id, purpose)
        if not mine or now - datetime.fromisoformat(label["kept_at"]) > KEPT_FOR:
            raise NotFound("import.gone")
        return Kept(token, label["filename"], data)

    def _sweep(self, now: datetime) -> None:
        for label in self.folder.glob("*.json"):
            try:
                kept_at = datetime.fromisoformat(json.loads(label.read_text(encoding="utf-8"))["kept_at"])
            except (OSError, ValueError, KeyError):
                continue
            if now - kept_at > KEPT_FOR:
                label.with_suffix(".bytes").unlink(missing_ok=True)
                label.unlink(missing_ok=True)
