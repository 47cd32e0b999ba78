"""docs/conformance.md says what this suite does: a row that is tried stands there, and no row that is not."""

import ast
import re
from pathlib import Path

import conformance

HERE = Path(__file__).resolve().parent


def test_the_table_is_of_this_suite() -> None:
    tried = {
        row
        for path in HERE.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for row in conformance.rows_of(node.name)
    }
    page = conformance.PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| ([A-Z]\d\d) \|", page, re.MULTILINE)) == tried, "run tools/conformance.py"
    assert "✗" not in page
