"""What the server imports that worker processes are forked from; imported nowhere else.

It has nothing to tidy up when its last user is gone, and torch would take seconds for it.
"""

import atexit
import os

from cgap_bench.run import workers

__all__ = ["workers"]

atexit.register(os._exit, 0)
