"""Networks as wide as those that the CGaP run of the same seed ended up with."""

from torch import nn

from cgap_bench.learn.context import Context
from cgap_cl import Birth, PlasticNetwork


def shaped_network(context: Context, task: int) -> nn.Sequential:
    """The reference network, untrained, each layer as wide as CGaP's for a task.

    Args:
        context: With the widths of the CGaP run.
        task: Counted from the first; -1 is the last.
    """
    # the seed column draws its weights first: another width there, other weights here
    example = context.stream.example_input
    plastic = PlasticNetwork(context.network(), example, seed_ratio=0.25)
    label = range(len(context.target_widths))[task]
    plastic.sprout(label, context.n_outputs, Birth(context.target_widths[task]))
    plastic.merge()
    plain = plastic.subnetwork(label).requires_grad_(True)
    assert isinstance(plain, nn.Sequential)
    return plain
