"""Advice for speed says what it saves, and is silent where that is little."""

import pytest

from mmnkd.diagnosis.cost import Cost
from mmnkd.diagnosis.faster import advise_cache, advise_dtype, advise_workers


def cost(load=0.0, workers=0, step=1.0, teacher=0.4):
    return Cost(load, workers, step, teacher, 0.0, 0.0, 0)


def test_parts_of_a_step_add_up():
    found = Cost(0.5, 0, 1.0, 0.3, 0.1, 0.0, 0)
    assert found.total == 1.5
    parts = (found.data, found.student, found.teacher, found.losses)
    assert sum(parts) == pytest.approx(1.5)
    assert found.teacher_share == pytest.approx(0.2)


def test_workers_hide_what_they_load_in_time():
    assert cost(load=0.9, workers=1).data == 0
    assert cost(load=3.0, workers=2).data == 0.5


def test_workers_are_advised_where_a_step_waits_for_images():
    advice = advise_workers(cost(load=1.0), cores=8)
    assert 'num_workers=2`: a step waits for its images for 50%' in advice
    assert 'saves up to 50%' in advice
    assert advise_workers(cost(load=0.05), cores=8) is None
    assert advise_workers(cost(load=1.0), cores=1) is None
    assert advise_workers(cost(load=9.0, workers=7), cores=8) is None


def test_bfloat16_is_advised_where_it_was_faster():
    advice = advise_dtype(cost(), seconds=0.2)
    assert '200 ms a step instead of 400 ms, which saves 20%' in advice
    assert advise_dtype(cost(), seconds=0.39) is None


def test_stored_answers_are_advised_with_their_size():
    advice = advise_cache(cost(), 'my.py', views=1000, classes=10)
    assert '0.02 MB' in advice
    assert 'takes 40% less time' in advice
    assert advice.endswith('\nmmnkd cache my.py --out DIR')
    many = advise_cache(cost(), 'my.py', views=1_000_000, classes=1000)
    assert many.endswith('--out DIR --topk 50')
    assert advise_cache(cost(teacher=0.05), 'my.py', 1000, 10) is None
