# {"allowed": ["failed", "exception", "crashed", "tampered", "timeout"], "entry": "f", "test": "import os, threading, time\ndef late():\n    while True:\n        for fd in range(3, 256):\n            try:\n                os.write(fd, b'\\0\\0\\0\\x02[]')\n            except OSError:\n                pass\nthreading.Thread(target=late, daemon=True).start()\ntime.sleep(0.1)\nassert f(3) == 5"}
def f(x):
    return x + 1
