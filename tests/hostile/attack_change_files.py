# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import posix as os


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)

    for path in ('/jail/harness/judge.py', '/python', '/usr/lib', '/dev/null', '/tmp', '/'):
        attempt('chmod ' + path, os.chmod, path, 0o777)
        attempt('chown ' + path, os.chown, path, 0, 0)
        attempt('utime ' + path, os.utime, path, (0, 0))
        attempt('unlink ' + path, os.unlink, path)
        attempt('rename ' + path, os.rename, path, path + '.old')
        attempt('truncate ' + path, os.truncate, path, 0)
        attempt('xattr ' + path, os.setxattr, path, 'user.a', b'b')
    return found
