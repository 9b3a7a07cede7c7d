# {"allowed": ["passed"], "entry": "f", "test": "import os\nours, theirs = os.pipe()\nos.write(theirs, b'nonsense')\nassert f(3) == 4 and os.read(ours, 8) == b'nonsense'"}
def f(x):
    return 1 + x
