# {"allowed": ["passed"], "entry": "f", "test": "import threading, time\nseen = []\nthread = threading.Thread(target=seen.append, args=(3,))\nthread.start()\nthread.join()\nassert f(seen[0]) == 4"}
def f(x):
    return sum([x, 1])
