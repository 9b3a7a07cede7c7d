# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import shlex
import subprocess


def f(x):
    return x + len(shlex.split('sleep 1')) - 1 + len(subprocess.list2cmdline([]))
