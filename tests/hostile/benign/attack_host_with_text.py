# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    try:
        raise type('Odd', (Exception,), {})('\ud800\x1b]0;title\x07')
    except Exception as error:
        return x + len(type(error).__mro__) - 3
