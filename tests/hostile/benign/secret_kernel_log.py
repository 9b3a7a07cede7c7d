# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import logging


def f(x):
    logging.getLogger('kernel').warning('nothing')
    return x + 1
