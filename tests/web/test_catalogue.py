"""An installation without make compiles its translations itself."""

import os
from pathlib import Path

from lms_plugin.web.catalogue import compile_catalogues

PO = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "你好"\nmsgstr "Hello"\n'


def test_a_missing_or_old_catalogue_is_compiled_once(tmp_path: Path) -> None:
    folder = tmp_path / "en" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    source = folder / "messages.po"
    source.write_text(PO, encoding="utf-8")
    assert compile_catalogues(tmp_path) == ["en"]
    assert (folder / "messages.mo").stat().st_size > 0
    assert compile_catalogues(tmp_path) == []
    later = (folder / "messages.mo").stat().st_mtime + 5
    os.utime(source, (later, later))
    assert compile_catalogues(tmp_path) == ["en"]
