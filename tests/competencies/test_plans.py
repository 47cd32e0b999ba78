"""整校推进: what a plan lacks, who may stand in a team, and which papers may be asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from competencies.plans import (
    LEAST_TEAM,
    MOST_PAPERS,
    MOST_TEAM,
    PAPERS,
    TeamDuty,
    TeamMember,
    lacks,
    papers_of,
    team_of,
)
from lms_plugin.errors import Invalid

LEADER = ("陈校长", "leader")


def test_what_a_plan_lacks() -> None:
    team = team_of([LEADER, ("李主任", "teaching"), ("王老师", "ict")])
    assert not lacks(PAPERS, PAPERS, team, "blended")
    none = lacks(PAPERS, (), (), "")
    assert (none.papers, none.team, none.leader, none.environment) == (PAPERS, 3, True, True)
    assert lacks(PAPERS, PAPERS[1:], team, "blended").papers == PAPERS[:1]
    assert lacks(PAPERS, PAPERS, team[1:], "blended").leader


@given(st.sets(st.sampled_from(PAPERS)), st.lists(st.sampled_from(TeamDuty), max_size=6), st.booleans())
def test_nothing_lacks_exactly_when_all_is_there(present: set[str], duties: list[TeamDuty], declared: bool) -> None:
    team = [TeamMember(str(number), duty) for number, duty in enumerate(duties)]
    whole = present == set(PAPERS) and len(team) >= LEAST_TEAM and TeamDuty.LEADER in duties and declared
    assert bool(lacks(PAPERS, present, team, "smart" if declared else "")) is not whole


def test_a_team_as_it_is_typed() -> None:
    assert team_of([("", ""), ("  陈  校长 ", "leader"), ("", "ict")]) == (TeamMember("陈 校长", TeamDuty.LEADER),)
    assert team_of([]) == ()
    many = [LEADER, *((f"老师{n}", "subject") for n in range(MOST_TEAM))]
    for lines, field in (
        (many, "team"),
        ([LEADER, ("李主任", "leader")], "team"),
        ([LEADER, ("陈校长", "ict")], "team"),
        ([LEADER, ("李", "")], "team.2.duty"),
        ([LEADER, ("李", "boss")], "team.2.duty"),
        ([("陈" * 51, "leader")], "team.1.name"),
        ([("a\u202eb", "leader")], "team.1.name"),
        ([("a\x00b", "leader")], "team.1.name"),
    ):
        with pytest.raises(Invalid) as caught:
            team_of(lines)
        assert list(caught.value.fields) == [field]


def test_papers_one_a_line() -> None:
    assert papers_of("\r\n 校本研修方案 \n校本研修方案\n\n学科组  计划\n") == ("校本研修方案", "学科组 计划")
    for text in ("", " \n ", "\n".join(f"文件{n}" for n in range(MOST_PAPERS + 1)), "长" * 61, "a\u202eb"):
        with pytest.raises(Invalid) as caught:
            papers_of(text)
        assert list(caught.value.fields) == ["papers"]
