"""Classes of a teacher and of the data, compared by name and position."""

import pytest

from mmnkd.diagnosis.classes import compare_classes

PETS = ['cat', 'dog', 'fish']


def found(*arguments, **options):
    (finding,) = compare_classes(*arguments, **options)
    return finding


def test_the_same_classes_are_no_finding():
    assert compare_classes(PETS, tuple(PETS)) == []
    assert compare_classes(['ant', *PETS], PETS, indices=[1, 2, 3]) == []


def test_another_order_is_an_error_with_the_indices_that_mend_it():
    finding = found(['dog', 'cat', 'fish'], PETS)
    assert (finding.name, finding.level) == ('class-order', 'error')
    assert "2 of 3 are elsewhere: class 0 is 'dog'" in finding.message
    assert finding.fix == 'Set `teacher.class_indices=[1, 0, 2]`.'


def test_indices_that_spoil_the_order_are_to_be_left_out():
    finding = found(PETS, PETS, indices=[2, 1, 0])
    assert finding.name == 'class-order'
    assert finding.fix == 'Leave out `teacher.class_indices`.'


def test_other_names_are_a_warning():
    finding = found(['n01', 'n02', 'n03'], PETS)
    assert (finding.name, finding.level) == ('class-names', 'warning')
    assert "3 of 3 have others: class 0 is 'n01'" in finding.message


@pytest.mark.parametrize('count', [2, 30])
def test_another_count_is_an_error(count):
    names = [f'{i}' for i in range(count)]
    finding = found(['ant', *names], names, 'teacher[1]')
    assert (finding.name, finding.level) == ('class-count', 'error')
    assert f'{count} classes of the data set from teacher[1]' in (
        finding.message
    )
    assert ('=[1, 2]' in finding.fix) == (count == 2)
