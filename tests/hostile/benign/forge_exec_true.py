# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os
import shutil


def f(x):
    return x + (shutil.which('true') is None or os.path.basename('/bin/true') == 'true')
