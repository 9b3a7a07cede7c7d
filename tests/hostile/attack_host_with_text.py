# {"allowed": ["exception"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    raise type('\u202e\x1b[2J', (Exception,), {})('\ud800\x1b]0;title\x07\n' * 10000)
