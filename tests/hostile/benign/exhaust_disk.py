# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import io


def f(x):
    with io.BytesIO() as out:
        out.write(b'x' * (1 << 20))
        return x + out.tell() // (1 << 20)
