"""What each of torch's functions is to hardware: every rule, registered.

A function without a rule is taken apart into torch's own operators (`tracing.py`). Modules need
no rules: what they call is what they do.
"""

from cgap_bench.shapes.forms import LayerJSON
from cgap_bench.shapes.functions import passes, products, windows
from cgap_bench.shapes.functions.passes import norm_of_batch
from cgap_bench.shapes.functions.roles import (
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

FORMULAS = (passes, products, windows)  # importing them registers their rules

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
