"""The page of the allotment while works come in: whether reviewers will suffice, in words and numbers."""

from datetime import timedelta

import pytest

from tests import people as cast
from tests.flow.handed_in import hand_in


@pytest.mark.parametrize(("policy", "said"), [({}, "够：每份作业都有 2 人评"), ({"max_reviews": 1}, "会缺")])
def test_it_says_whether_reviewers_will_suffice(browse, world, policy, said):
    choice = {"required_points": 1, "min_dimensions": 1}
    world.set_rules(choice=choice, review={"pool": "district", **policy})
    page = browse(cast.OFFICER).get(f"/reviews/allocation/{world.programme.uuid}")
    assert page.status_code == 200
    assert "大家都交齐时，评审人够不够" in page.text
    assert said in page.text
    world.set_rules(choice=choice, review={"pool": "own_school", "reviews_per_work": 3})
    page = browse(cast.OFFICER).get(f"/reviews/allocation/{world.programme.uuid}").text
    assert "范围放宽到全区" in page
    hand_in(world, cast.CHEN, "A3", world.now - timedelta(hours=2))
    page = browse(cast.OFFICER).get(f"/reviews/allocation/{world.programme.uuid}").text
    assert "已经交了 1 份" in page, page[page.index("大家都交齐") :][:400]
    assert "范围内能评这份的人不够" in page
