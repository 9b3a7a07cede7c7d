# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import io
import os.path


def f(x):
    out = io.StringIO()
    out.write(os.path.join('/tmp', 'not-there'))
    return x + (not os.path.exists(out.getvalue()))
