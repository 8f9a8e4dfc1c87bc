"""What each of torch's functions is to hardware: every rule, registered.

A function without a rule is taken apart into torch's own operators (`tracing.py`). Modules need
no rules: what they call is what they do.
"""

from cgap_bench.shapes import pass_rules, product_rules, window_rules
from cgap_bench.shapes.forms import LayerJSON
from cgap_bench.shapes.pass_rules import norm_of_batch
from cgap_bench.shapes.roles import (
    RULES,
    UNKNOWN,
    Layers,
    Role,
    Rule,
    Site,
    rule,
    rule_of,
    rule_of_operator,
)

FORMULAS = (pass_rules, product_rules, window_rules)  # importing them registers their rules

__all__ = [
    "FORMULAS",
    "RULES",
    "UNKNOWN",
    "LayerJSON",
    "Layers",
    "Role",
    "Rule",
    "Site",
    "norm_of_batch",
    "rule",
    "rule_of",
    "rule_of_operator",
]
