# {"allowed": ["exception", "timeout", "crashed", "tampered", "memory"], "entry": "f", "test": "assert f(3) == 4"}
import os

while True:
    try:
        os.fork()
    except OSError:
        pass
