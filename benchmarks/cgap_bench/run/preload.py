"""What the server imports that worker processes are forked from; imported nowhere else.

It has nothing to tidy up when its last user is gone, and torch would take seconds for it.
"""

import atexit
import os
import signal

from cgap_bench.run.executors import workers

__all__ = ["workers"]

atexit.register(os._exit, 0)
# Ctrl-C reaches the whole group; a worker that has just been forked would show a traceback.
signal.signal(signal.SIGINT, signal.SIG_IGN)
