# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import json


def f(x):
    return json.loads(json.dumps({'ok': x + 1}))['ok']
