# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import resource


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)

    for name in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
        soft, hard = resource.getrlimit(name)
        attempt(f'raise {name}', resource.setrlimit, name, (hard + 1, hard + 1))
        attempt(f'none {name}', resource.setrlimit, name, (-1, -1))
    attempt('of the first process', resource.prlimit, 1, resource.RLIMIT_CPU, (1, 1))
    return found
