# {"allowed": ["passed"], "entry": "f", "test": "import random\nassert f(3) == [random.randint(0, 9) for _ in range(3)]"}
import random


def f(x):
    return [random.randint(0, 9) for _ in range(x)]
