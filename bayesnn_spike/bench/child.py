"""The memory of one implementation, in a process that has done nothing else.

Oracle: tests/bench/test_child.py.
"""

import json
import os
import subprocess
import sys

from bayesnn_spike.bench.group import Group


def peak_in_fresh_process(
    group: Group, who: str, *, threads: int, quick: bool = False
) -> int | None:
    """Return `memory.peak_bytes` of a run in a new process, or None if that process failed."""
    order = {"bench": group.bench, "case": group.case, "k": group.k}
    order |= {"who": who, "threads": threads, "quick": quick}
    # The child finds the package where this process found it.
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-m", "bayesnn_spike.bench.child", json.dumps(order)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    return int(done.stdout) if done.returncode == 0 else None


def main(order: str) -> int:
    """Run one implementation of one job and return its peak."""
    import torch

    from bayesnn_spike.bench.memory import peak_bytes
    from bayesnn_spike.bench.settings import BENCHES, cases_of

    asked = json.loads(order)
    torch.set_num_threads(asked["threads"])
    groups = BENCHES[asked["bench"]].groups(cases_of(asked["quick"]).values(), "cpu")
    group = next(g for g in groups if (g.case, g.k) == (asked["case"], asked["k"]))
    return peak_bytes(group.build(asked["who"]).run)


if __name__ == "__main__":
    sys.stdout.write(f"{main(sys.argv[1])}\n")
