"""Train an ANN, convert it, train the spiking network, and its rivals; keep what each says.

    cd studies/hybrid_conversion
    python run.py --data-root DATA --data fashion-mnist --seed 0 --out runs

One process for one data set and one seed. Rows that are there are not computed again. Then

    python summarise.py --out runs --results results
"""

import argparse
import os
import time
from pathlib import Path

# Big temporaries are kept and not given back to the system and paged in anew at every step. It has
# to be said before the first allocation, so the process starts itself again.
_KEEP = {"MALLOC_MMAP_THRESHOLD_": "2000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000"}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    lines = (__doc__ or "").splitlines()
    parser = argparse.ArgumentParser(description=lines[0])
    parser.add_argument(
        "--data-root", type=Path, required=True, help="folder with mnist/, fashion_mnist/, ..."
    )
    parser.add_argument("--data", choices=("mnist", "fashion-mnist", "cifar10-jpeg"), required=True)
    parser.add_argument("--network", choices=("vgg", "resnet"), default="vgg")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument(
        "--stages",
        nargs="+",
        default=None,
        help="which stages to run, in order (default: all)",
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of this process")
    return parser.parse_args()


def main() -> None:
    """Run the stages of one data set and one seed."""
    args = arguments()
    import torch
    from all_stages import STAGES
    from kept import Run, say
    from stages import Setting

    stages = args.stages or list(STAGES)
    unknown = [name for name in stages if name not in STAGES]
    if unknown:
        raise SystemExit(f"there are no stages {unknown}; there are {', '.join(STAGES)}")
    torch.set_num_threads(args.threads)
    run = Run(args.out, args.data, args.network, args.seed)
    setting = Setting.load(run, args.data_root)
    for name in stages:
        started = time.perf_counter()
        STAGES[name](run, setting)
        took = time.perf_counter() - started
        say(f"{args.data} seed {args.seed}: {name}, {took:.0f} s")


if __name__ == "__main__":
    if any(name not in os.environ for name in _KEEP):
        import sys

        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **_KEEP})
    main()
