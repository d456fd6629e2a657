"""The memory of one implementation, in a process that has done nothing else.

Oracle: tests/bench/test_child.py.
"""

import json
import os
import subprocess
import sys

from bayesnn_spike.bench.group import Group

# glibc: whatever is larger than 64 KiB goes back to the system as soon as it is freed. Otherwise it
# depends on the history of the heap whether a block is new or was kept.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_MMAP_MAX_": "1000000"}
_MALLOC |= {"MALLOC_TRIM_THRESHOLD_": "65536"}


class ChildError(RuntimeError):
    """The process that measures memory failed."""


def peak_in_fresh_process(group: Group, who: str, *, threads: int, quick: bool = False) -> int:
    """Return `memory.peak_bytes` of a run in a new process.

    Raises:
        ChildError: the process failed; the message is the last line it wrote.
    """
    order = {"bench": group.bench, "case": group.case, "k": group.k}
    order |= {"who": who, "threads": threads, "quick": quick}
    # The child finds the package where this process found it.
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-m", "bayesnn_spike.bench.child", json.dumps(order)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **_MALLOC, "PYTHONPATH": path},
    )
    if done.returncode != 0:
        raise ChildError((done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1])
    return int(done.stdout)


def main(order: str) -> int:
    """Run one implementation of one job and return its peak."""
    import torch

    from bayesnn_spike.bench.memory import peak_bytes
    from bayesnn_spike.bench.settings import BENCHES, cases_of

    asked = json.loads(order)
    torch.set_num_threads(asked["threads"])
    cases = cases_of(asked["quick"], asked["bench"])
    groups = BENCHES[asked["bench"]].groups(cases.values(), "cpu")
    group = next(g for g in groups if (g.case, g.k) == (asked["case"], asked["k"]))
    return peak_bytes(group.build(asked["who"]).run)


if __name__ == "__main__":
    sys.stdout.write(f"{main(sys.argv[1])}\n")
