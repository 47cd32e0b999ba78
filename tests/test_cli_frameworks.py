"""`nengli framework`: standards as files, on a database file of their own."""

import json
from pathlib import Path

import pytest

import competencies
from tests.competencies import packs_made
from tests.test_cli import done, environment, refused

__all__ = ["environment"]

EXAMPLE = Path(__file__).parent / "files" / "case" / "case_v1p0_example.json"


@pytest.fixture
def district(environment: dict[str, str]) -> dict[str, str]:
    done(environment, "db", "upgrade")
    done(environment, "tenant", "add", "平安县")
    return environment


def test_a_file_goes_in_as_a_draft_and_out_again(district: dict[str, str], tmp_path: Path) -> None:
    source = tmp_path / "own.json"
    source.write_text(json.dumps(packs_made.least()), encoding="utf-8")
    content_hash = competencies.content_hash(competencies.load_pack(packs_made.least()))
    assert content_hash in done(district, "framework", "check", str(source))
    said = done(district, "framework", "import", str(source), "--tenant", "平安县")
    assert "Draft / 草稿" in said
    assert done(district, "framework", "import", str(source), "--tenant", "平安县") == said
    uuid, code, number, state = done(district, "framework", "list", "--tenant", "平安县").split()
    assert (code, number, state) == ("local-1", "1", "draft")
    for form, ending in (("case", "case.json"), ("pack", "json"), ("csv", "csv"), ("xlsx", "xlsx")):
        target = tmp_path / f"out.{ending}"
        done(district, "framework", "export", uuid, "--tenant", "平安县", "--format", form, "--output", str(target))
        assert content_hash in done(district, "framework", "check", str(target))


def test_versions_of_another_district_are_not_found(district: dict[str, str], tmp_path: Path) -> None:
    done(district, "tenant", "add", "邻县")
    done(district, "framework", "load", "framework_2_0", "--tenant", "邻县")
    uuid = done(district, "framework", "list", "--tenant", "邻县").split()[0]
    assert "page.not_found" in refused(district, "framework", "export", uuid, "--tenant", "平安县")
    assert done(district, "framework", "list", "--tenant", "平安县") == ""


def test_every_fault_is_said_with_its_place_and_nothing_changes(district: dict[str, str], tmp_path: Path) -> None:
    package = json.loads(EXAMPLE.read_bytes())
    package["CFItems"][9].pop("fullStatement")
    package["CFRubrics"][2]["CFRubricCriteria"] = []
    source = tmp_path / "case.json"
    source.write_text(json.dumps(package), encoding="utf-8")
    for words in (("check", str(source)), ("import", str(source), "--tenant", "平安县")):
        told = refused(district, "framework", *words)
        assert "CFItems[9].fullStatement" in told
        assert "CFRubrics[2]" in told
        assert "[pack.rubric_without_levels]" in told
    table = tmp_path / "table.csv"
    table.write_bytes("行,编号\n能力,A1\n".encode("gbk"))
    told = refused(district, "framework", "check", str(table))
    assert "第 2 行 A 列" in told
    assert "row 2, column A" in told
    table.write_bytes(b"{")
    assert "pack.not_json" in refused(district, "framework", "check", str(table))
    assert done(district, "framework", "list", "--tenant", "平安县") == ""
