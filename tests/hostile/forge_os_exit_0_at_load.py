# {"allowed": ["crashed"], "entry": "f", "test": "assert f(3) == 4"}
import os

os._exit(0)
