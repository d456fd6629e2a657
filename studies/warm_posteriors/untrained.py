"""What fair coins predict before anything is learned: the loss of networks with random signs.

A posterior that costs nothing, so a training at tempering 1 has to end below it.

    python studies/warm_posteriors/untrained.py --data-root DATA
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from bayesnn_spike.calibration import proper
from bayesnn_spike.events import datasets
from bayesnn_spike.models import mlp
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.predict import Committee, predict
from bayesnn_spike.rng import Stream

CASES = ((256, 8.0), (256, 2.0), (64, 8.0), (16, 8.0))


def main() -> None:
    """Print the mean loss of ten random networks on every fourth training recording of fold 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True, help="folder that holds nmnist/")
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = datasets.load("nmnist", root=given.data_root / "nmnist", bins=10)
    train = data.fold(5, 0, seed=0, val=0.0, calib=0.0).splits["train"].indices[::4]
    spikes, labels = data.batch(train)
    lines = ["| hidden | gain | loss |", "| ---: | ---: | ---: |"]
    for hidden, gain in CASES:
        network = mlp(2312, (hidden,), 10, feature_dims=3, gain_in=4.0, gain_out=gain)
        coins = Bernoulli({n: torch.zeros_like(p) for n, p in network.named_parameters()})
        found = predict(network, coins, spikes, how=Committee(10), stream=Stream(1))
        loss = np.mean([proper.nll(member, labels).value for member in found.members])
        lines.append(f"| {hidden} | {gain:g} | {loss:.2f} |")
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
