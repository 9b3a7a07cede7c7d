# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import multiprocessing


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)

    attempt('process', lambda: multiprocessing.get_context('fork').Process(target=print).start())
    attempt('pool', lambda: multiprocessing.Pool(2))
    return found
