"""Rules hold for every spelling of a function, and a name that torch lacks is noticed."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from cgap_bench.shapes.rules import RULES, UNKNOWN, Role, rule, rule_of


@pytest.mark.parametrize(
    "spellings",
    [
        (torch.add, Tensor.add, Tensor.add_, Tensor.__add__, Tensor.__iadd__, Tensor.__radd__),
        (torch.relu, torch.relu_, functional.relu, functional.relu_, Tensor.relu, Tensor.relu_),
        (torch.flatten, Tensor.flatten),
        (functional.conv2d, torch.conv2d),
    ],
)
def test_one_rule_for_all_spellings(spellings):
    assert len({id(rule_of(function)) for function in spellings}) == 1
    assert rule_of(spellings[0]) is not UNKNOWN


def test_roles():
    assert rule_of(functional.max_pool2d).role is Role.SELECTION
    assert rule_of(functional.avg_pool2d).role is Role.WORK
    assert rule_of(Tensor.T.__get__).role is Role.ADDRESSING
    assert rule_of(torch.cumsum) is UNKNOWN


def test_a_misspelt_function_is_noticed_when_its_rule_is_registered():
    before = dict(RULES)
    with pytest.raises(ValueError, match="torch has no function 'conv2e'"):
        rule(Role.WORK, "conv2e")(lambda site: None)
    assert before == RULES
