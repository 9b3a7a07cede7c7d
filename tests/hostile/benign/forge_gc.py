# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import gc
import weakref


class Node:
    pass


def f(x):
    node = Node()
    node.own = node
    gone = weakref.ref(node)
    del node
    gc.collect()
    return x + (gone() is None)
