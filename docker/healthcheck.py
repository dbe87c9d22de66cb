"""Whether the process of this container takes part in its run: exit code 0. Python's standard library alone, on Linux.

An oracle that listens, and a node that has been let in, write a file that says who they are and where they listen. The
process must be there and run, and its socket must take connections. Nothing is sent to it: what says nothing sensible
is refused and counted, and the run would tell of it.
"""

import json
import os
import sys

READY = os.environ.get("QNODE_READY", "/tmp/qnode-ready")
LISTENS = "0A"  # the state of a socket, in /proc/net/tcp
STOPPED = {"T": "is stopped", "t": "is stopped by a debugger", "Z": "has ended", "X": "has ended"}


def main() -> str:
    """What is wrong; nothing if all is well."""
    try:
        with open(READY, encoding="utf-8") as file:
            told = json.load(file)
    except FileNotFoundError:
        return "it has not joined yet"
    try:
        with open(f"/proc/{told['pid']}/stat", encoding="utf-8") as file:
            state = file.read().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return f"process {told['pid']} is gone"
    if state in STOPPED:
        return f"process {told['pid']} {STOPPED[state]}"
    kind, _, rest = told["address"].partition("://")
    if kind == "tcp" and int(rest.rpartition(":")[2]) not in listening():
        return f"nothing listens at {told['address']}"
    return ""


def listening() -> set[int]:
    """The ports at which something in this container does."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if os.path.exists(table):
            with open(table, encoding="utf-8") as file:
                rows = [line.split() for line in file.readlines()[1:]]
            found |= {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTENS}
    return found


if __name__ == "__main__":
    sys.exit(main() or 0)
