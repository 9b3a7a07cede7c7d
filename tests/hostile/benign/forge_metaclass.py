# {"allowed": ["passed"], "entry": "f", "test": "assert issubclass(f(3), Base) and f(3).label == 'made'"}
class Meta(type):
    def __new__(cls, name, bases, space):
        return super().__new__(cls, name, bases, {**space, 'label': 'made'})


class Base(metaclass=Meta):
    pass


def f(x):
    return type('Made', (Base,), {}) if x else Base
