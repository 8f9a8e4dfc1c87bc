"""Variants of a preset: whose settings they change, and what tables call them."""

from cgap_bench.record.identity import SECTIONS


def methods_of(variant: str) -> set[str]:
    """Methods whose settings it changes; keys of training, network or stream are nobody's.

    Args:
        variant: As a recipe has it: ``key=value`` each, apart by blanks.

    Example:
        >>> methods_of("training.lr=0.1 cgap.price=latency cgap.target_price=0.038")
        {'cgap'}
    """
    return {change.partition(".")[0] for change in variant.split()}.difference(SECTIONS)


def name_of(variant: str, method: str) -> str:
    """What stands behind the method's name.

    Example:
        >>> name_of("cgap.price=latency cgap.target_price=0.038", "cgap")
        'price=latency target_price=0.038'
    """
    return variant.replace(f"{method}.", "")
