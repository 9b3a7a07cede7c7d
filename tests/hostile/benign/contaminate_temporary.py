# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import io
import tempfile


def f(x):
    with tempfile.SpooledTemporaryFile(max_size=1 << 16) as out:
        out.write(b'abc')
        return x + 1 + out.tell() - len(io.BytesIO(b'abc').read())
