# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import json
import os


def f(x):
    with open(json.__file__) as text:
        return x + bool(text.read(1)) + os.path.isdir('/no-such-folder')
