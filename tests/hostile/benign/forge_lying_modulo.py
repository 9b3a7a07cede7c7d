# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) % 4 == 0 and f(3) // 4 == 1"}
class Clock:
    def __init__(self, hours):
        self.hours = hours

    def __mod__(self, other):
        return Clock(self.hours % other)


def f(x):
    return (Clock(x + 13) % 12).hours
