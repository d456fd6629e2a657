"""How long all test images take through the converted network, from spike to spike.

python timing.py --data-root DATA --data fashion-mnist --out runs --results results --threads 2

For a machine that does nothing else. The published conversion of seed 0, as in the stage
`conversion`; images are read and thresholds found before the clock starts.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from converted import accuracy, converted
from kept import Run, say
from stages import Setting

from bayesnn_spike.bench.machine import describe
from bayesnn_spike.convert import curve
from bayesnn_spike.encoding import Direct
from bayesnn_spike.io import atomic_write_text

STEPS, WARM = 256, 200


def main() -> None:
    """Time one run over all test images."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--data", choices=("mnist", "fashion-mnist"), default="fashion-mnist")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--results", type=Path, required=True, help="where timing.json goes")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    run = Run(args.out, args.data, "vgg", 0)
    setting = Setting.load(run, args.data_root)
    network = converted(run, setting).network
    images, labels = setting.split("test")
    curve(network, images[:WARM], labels[:WARM], encoder=Direct(1), steps=[8])
    started = time.perf_counter()
    seen = curve(network, images, labels, encoder=Direct(1), steps=[STEPS])
    seconds = time.perf_counter() - started
    found = {
        "data": args.data,
        "images": len(images),
        "steps": STEPS,
        "seconds": round(seconds, 1),
        "accuracy": accuracy(seen.readouts[0], labels),
        "machine": describe(threads=args.threads),
    }
    atomic_write_text(args.results / "timing.json", json.dumps(found, indent=1) + "\n")
    say(f"{len(images)} images, T = {STEPS}, {args.threads} threads: {seconds:.0f} s")


if __name__ == "__main__":
    main()
