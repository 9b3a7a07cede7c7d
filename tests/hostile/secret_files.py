# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import os


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)

    for path in ('/etc/passwd', '/etc/shadow', '/etc/hosts', '/etc/hostname', '/root/.bashrc', '/root/.ssh/id_rsa', '/proc/cpuinfo', '/sys/kernel', '/var/log/dpkg.log'):
        attempt('open ' + path, open, path)
    for path in ('/root', '/home', '/proc', '/sys', '/var', '/mnt', '/opt', '/boot'):
        attempt('list ' + path, os.listdir, path)
    return found
