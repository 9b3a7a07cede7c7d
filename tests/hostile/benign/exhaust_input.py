# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import io


def f(x):
    return x + int(io.StringIO('1\n').readline())
