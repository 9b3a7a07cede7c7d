# {"allowed": ["passed"], "entry": "f", "test": "assert str(f(3)) == 'b3'"}
class Name(str):
    def __str__(self):
        return 'b' + str.__str__(self)


def f(x):
    return Name(x)
