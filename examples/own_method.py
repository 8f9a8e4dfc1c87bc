"""EWC beside a memory: a method of one's own."""

from cgap_bench.cli import main
from cgap_bench.learn.context import Context
from cgap_bench.learn.method import ANY_SCENARIO, METHODS, Method
from cgap_bench.learn.methods.fixed import SharedNetwork
from cgap_bench.learn.methods.penalties.ewc import EWC
from cgap_bench.learn.methods.rehearsal.memory import BalancedMemory
from cgap_bench.learn.methods.rehearsal.replay import Replay
from cgap_bench.record.configuration import Settings


class BothSettings(Settings):
    """What `--set ewc-replay.strength=100` sets."""

    strength: float = 10.0
    memory: int = 100  # images


def both(context: Context, own: BothSettings) -> SharedNetwork:
    """A shared network beside two plugins; any of Avalanche's kind may stand there."""
    replay = Replay(BalancedMemory(own.memory, context.config.seed))
    return SharedNetwork(context, plugins=[EWC(own.strength), replay], rehearses=True)


METHODS.add("ewc-replay", Method("EWC and memory", BothSettings, both, scenarios=ANY_SCENARIO))

if __name__ == "__main__":  # worker processes read this file too, for the line above
    main()
