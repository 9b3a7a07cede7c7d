# {"allowed": ["failed", "exception", "crashed", "tampered"], "entry": "f", "test": "import os\nfor fd in range(3, 256):\n    try:\n        os.write(fd, b'\\0\\0\\0\\x08nonsense')\n    except OSError:\n        pass\nassert f(3) == 5"}
def f(x):
    return x + 1
