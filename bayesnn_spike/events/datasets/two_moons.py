"""`two-moons`: the two-dimensional experiment of BiSNN, generated.

Two interleaved half circles with Gaussian noise, scaled to [0, 1] by the range of the training
points, spread by a population code of 10 units per dimension, and drawn once as Bernoulli spikes.

Source: BiSNN, arXiv:2012.08300, and its released code (200 training points, noise 0.1, T = 100).
Oracle: tests/events/datasets/test_two_moons.py.
"""

from hashlib import sha256

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.encoding import population, rate, rate_rows
from bayesnn_spike.events.datasets.dataset import SpikeDataset, content_digest
from bayesnn_spike.events.splits import Split
from bayesnn_spike.rng import Stream

UNITS = 10


def load_two_moons(
    *,
    bins: int = 100,
    seed: int = 0,
    noise: float = 0.1,
    train_size: int = 200,
    val_size: int = 200,
    calib_size: int = 200,
    test_size: int = 1000,
) -> SpikeDataset:
    """Generate the data set: spikes `[N, bins, 20]`, two classes.

    `val`, `calib` and `test` are further points of the same moons; the paper itself tests on `grid`
    and by eye. `seed` decides the points and the spikes.
    """
    sizes = {"train": train_size, "val": val_size, "calib": calib_size, "test": test_size}
    parts = points(sizes, noise=noise, seed=seed)
    scaled = torch.cat([part for part, _ in parts.values()])
    labels = torch.cat([label for _, label in parts.values()])
    stream = Stream(seed).child("two-moons", "spikes")
    streams = [stream.child(row) for row in range(len(scaled))]
    spikes = rate_rows(population(scaled, units=UNITS), steps=bins, streams=streams)
    text = f"two-moons seed={seed} noise={noise} sizes={sizes}"
    fingerprint = f"two-moons:{sha256(text.encode()).hexdigest()}"
    ends = np.cumsum(list(sizes.values()))
    splits = {
        name: Split(fingerprint, name, np.arange(end - size, end))
        for (name, size), end in zip(sizes.items(), ends, strict=True)
        if size
    }
    info = {
        "source": "generated",
        "fingerprint": fingerprint,
        "bins": bins,
        "encoding": f"population: {UNITS} units per dimension, Bernoulli spikes drawn once",
        "seed": seed,
        "noise": noise,
        "digest": content_digest(spikes, labels),
    }
    return SpikeDataset("two-moons", spikes, labels, ("upper", "lower"), splits, info)


def points(
    sizes: dict[str, int], *, noise: float = 0.1, seed: int = 0
) -> dict[str, tuple[Tensor, Tensor]]:
    """Return points `[n, 2]` in [0, 1] and labels `[n]` for every split, row for row as loaded.

    Both coordinates are scaled by the smallest and largest value of the `train` points; points of
    other splits beyond that range are clipped to it.
    """
    stream = Stream(seed).child("two-moons", "points")
    raw = {name: moons(n, noise=noise, stream=stream.child(name)) for name, n in sizes.items()}
    train = raw["train"][0]
    low, high = train.amin(0), train.amax(0)
    return {
        name: (((part - low) / (high - low)).clamp(0.0, 1.0), labels)
        for name, (part, labels) in raw.items()
    }


def moons(n: int, *, noise: float, stream: Stream) -> tuple[Tensor, Tensor]:
    """Return `n` points `[n, 2]` float64 on two half circles, and labels: 0 upper, 1 lower.

    The first n // 2 points are evenly spaced on the upper half circle around (0, 0), the others on
    the lower one around (1, 0.5); Gaussian noise of standard deviation `noise` is added and the
    order is shuffled.
    """
    upper = n // 2
    angles = np.concatenate([np.linspace(0, np.pi, upper), np.linspace(0, np.pi, n - upper)])
    labels = np.repeat([0, 1], [upper, n - upper])
    flip = 1 - 2 * labels
    exact = np.stack([labels + flip * np.cos(angles), labels * 0.5 + flip * np.sin(angles)], axis=1)
    generator = stream.numpy()
    noisy = exact + noise * generator.standard_normal((n, 2))
    order = generator.permutation(n)
    return torch.from_numpy(noisy[order]), torch.from_numpy(labels[order])


def grid(*, bins: int = 100, seed: int = 0, steps: int = 100) -> tuple[Tensor, Tensor]:
    """Return the points of the picture and their spikes.

    Args:
        bins: time steps T.
        seed: decides the spikes.
        steps: points per axis, at 0, 1 / steps, ..., 1 - 1 / steps.

    Returns:
        points `[steps^2, 2]` float64, the second coordinate running fastest, and spikes
        `[steps^2, T, 20]` uint8.
    """
    axis = torch.arange(steps, dtype=torch.float64) / steps
    nodes = torch.cartesian_prod(axis, axis)
    draw = rate(population(nodes, units=UNITS), steps=bins, stream=Stream(seed).child("grid"))
    return nodes, draw.transpose(0, 1).contiguous()
