"""The part of the sandbox that runs inside the jail: standard library only, imports nothing outside this folder.

Inside the jail this folder is the top-level package `harness`; outside it is `sandbox.harness`.
"""
