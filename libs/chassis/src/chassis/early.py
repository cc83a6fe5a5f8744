"""Imported before anything else by a service's program, so that SIGTERM ends it from its first moment on.

The kernel drops a signal to process 1 that has no handler for it, and in a container that is the service. The second or two that
its imports take were such a time: a pod deleted then went on to start, and was killed when its grace was over.
`chassis.run` puts its own handler in the place of this one; `migrate` and `bus` keep it.
"""

import os
import signal
from types import FrameType


def _end(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)  # as a shell tells an end by signal; there is nothing to be closed yet


signal.signal(signal.SIGTERM, _end)
