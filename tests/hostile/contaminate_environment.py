# {"allowed": ["failed"], "entry": "f", "test": "assert f(3) == 4"}
import locale
import os
import time

os.environ.update(TZ='Asia/Tokyo', PYTHONPATH='/tmp', LD_PRELOAD='/tmp/left-behind.so', PYTHONHASHSEED='7')
os.umask(0)
time.tzset()


def f(x):
    return 0
