# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import ctypes

text = ctypes.create_string_buffer(b'a')


def f(x):
    return x + len(text.value)
