"""What the server imports that worker processes are forked from; imported nowhere else.

It has nothing to tidy up when its last user is gone, and torch would take seconds for it. What
it imports lives as long as any worker. Nobody looks for garbage in it: not during the imports,
which would take a quarter of the time, and not in workers, which would get pages of their own.
"""

import atexit
import gc
import os
import signal

gc.disable()

from cgap_bench.learn.dataset import DATASETS  # noqa: E402
from cgap_bench.learn.method import METHODS  # noqa: E402
from cgap_bench.learn.network import NETWORKS  # noqa: E402
from cgap_bench.run.executors import workers  # noqa: E402

__all__ = ["workers"]

# Their modules too: else every worker imports them for itself, most of a second each.
for registry in (METHODS, NETWORKS, DATASETS):
    registry.names()
gc.freeze()
gc.enable()

atexit.register(os._exit, 0)
# Ctrl-C reaches the whole group; a worker that has just been forked would show a traceback.
signal.signal(signal.SIGINT, signal.SIG_IGN)
