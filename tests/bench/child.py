"""Runs one command and writes how long it took and how large it grew, as JSON: python -I -S child.py OUTPUT COMMAND...

A process of its own, because a child's largest memory is never less than its parent's when it was started (Linux counts
from the fork on), and the bench itself grows.
"""

import json
import os
import sys
import time

output, command = sys.argv[1], sys.argv[2:]
to = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
moves = [(os.POSIX_SPAWN_DUP2, to, 1), (os.POSIX_SPAWN_DUP2, to, 2)]
began = time.perf_counter()
pid = os.posix_spawnp(command[0], command, os.environ, file_actions=moves)
_, status, usage = os.wait4(pid, 0)
took = time.perf_counter() - began
peak = usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)
json.dump(
    {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": took,
        "cpu": usage.ru_utime + usage.ru_stime,
        "kib": peak,  # of the largest process: kubectl becomes its plugin, and waits for no other
    },
    sys.stdout,
)
