# {"allowed": ["passed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
class S:
    def f(self, x):
        count = 0
        while count < 100000:
            count += 1
        return x + count // 100000
