# {"allowed": ["passed"], "entry": "f", "test": "import math\nassert math.isclose(f(3), 4)"}
import math


def f(x):
    return x + 1 if math.isclose(1.0, 1.0 + 1e-12) else 0
