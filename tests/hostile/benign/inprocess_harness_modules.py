# {"allowed": ["passed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
import json
import sys


class S:
    def f(self, x):
        return x + (sys.modules.get('json') is json)
