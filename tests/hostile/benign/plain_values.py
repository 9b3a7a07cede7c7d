# {"allowed": ["passed"], "entry": "f", "test": "from collections import Counter, deque\nfrom datetime import date, datetime, timedelta\nfrom decimal import Decimal\nfrom fractions import Fraction\nfor v in (None, True, 10**5000, float('inf'), 1j, b'a', bytearray(b'b'), (1, [2]), {1: {2}}, frozenset({3}), Counter('aab'), deque([1], 3), Decimal('1.10'), Fraction(1, 3), date(2020, 1, 2), datetime(2020, 1, 2, 3), timedelta(1), range(3), '\u00e9\\ud800'):\n    assert f(v) == v and type(f(v)) is type(v), v"}
def f(x):
    return x
