import numpy as np
import torch

from bayesnn_spike.encoding import population
from bayesnn_spike.events.datasets import load
from bayesnn_spike.events.datasets.two_moons import grid, moons, points


def test_the_papers_sizes():
    data = load("two-moons")
    assert data.spikes.shape == (1600, 100, 20)
    sizes = {name: len(split) for name, split in data.splits.items()}
    assert sizes == {"train": 200, "val": 200, "calib": 200, "test": 1000}
    for split in data.splits.values():
        assert torch.bincount(data.labels[split.indices.copy()]).tolist() == [len(split) // 2] * 2


def test_moons_without_noise_lie_on_two_half_circles(stream):
    from sklearn.datasets import make_moons

    ours, labels = moons(40, noise=0.0, stream=stream)
    theirs, their_labels = make_moons(40, shuffle=False, noise=None)
    rows = [(*point, label) for point, label in zip(ours.tolist(), labels.tolist(), strict=True)]
    expected = [(*p, c) for p, c in zip(theirs.tolist(), their_labels.tolist(), strict=True)]
    np.testing.assert_allclose(sorted(rows), sorted(expected), atol=1e-12)
    assert labels.tolist() != sorted(labels.tolist())


def test_noise_has_its_standard_deviation(stream):
    # Same number of points: the angles are the same, so distances to the circles are the noise.
    noisy, labels = moons(4000, noise=0.1, stream=stream)
    centre = torch.tensor([[0.0, 0.0], [1.0, 0.5]], dtype=torch.float64)[labels]
    # The radial part of the noise; its mean is shifted by about 0.1^2 / 2.
    radial = (noisy - centre).norm(dim=1) - 1
    assert abs(float(radial.std()) - 0.1) < 0.005
    assert abs(float(radial.mean()) - 0.005) < 0.008


def test_points_are_scaled_by_the_training_points():
    parts = points({"train": 200, "test": 5000}, seed=3)
    train, test = parts["train"][0], parts["test"][0]
    torch.testing.assert_close(train.amin(0), torch.zeros(2, dtype=torch.float64))
    torch.testing.assert_close(train.amax(0), torch.ones(2, dtype=torch.float64))
    assert float(test.min()) == 0.0  # clipped: 5,000 points reach beyond 200
    assert float(test.max()) == 1.0


def test_spikes_have_the_rates_of_the_population_code():
    data = load("two-moons", bins=2000, train_size=30, val_size=0, calib_size=0, test_size=10)
    parts = points({"train": 30, "val": 0, "calib": 0, "test": 10})
    rates = population(torch.cat([part for part, _ in parts.values()]))
    counts = data.spikes.double().sum(1)
    deviation = (2000 * rates * (1 - rates)).sqrt()
    assert bool(((counts - 2000 * rates).abs() <= 5 * deviation + 1e-6).all())
    assert list(data.splits) == ["train", "test"]
    assert data.labels.tolist() == torch.cat([label for _, label in parts.values()]).tolist()


def test_the_seed_decides_everything():
    first, again, other = (load("two-moons", bins=5, seed=seed) for seed in (0, 0, 1))
    assert first.info["digest"] == again.info["digest"] != other.info["digest"]
    assert first.fingerprint != other.fingerprint
    longer = load("two-moons", bins=9)
    assert longer.fingerprint == first.fingerprint
    torch.testing.assert_close(longer.spikes[:, :5], first.spikes)


def test_the_grid_of_the_picture():
    nodes, spikes = grid(bins=4, seed=0)
    assert nodes.shape == (10_000, 2)
    assert spikes.shape == (10_000, 4, 20)
    assert spikes.dtype == torch.uint8
    torch.testing.assert_close(nodes[1], torch.tensor([0.0, 0.01], dtype=torch.float64))
    torch.testing.assert_close(nodes[-1], torch.tensor([0.99, 0.99], dtype=torch.float64))
    # At the origin unit 0 of both dimensions fires always, and no other.
    assert spikes[0].float().mean(0).nonzero().flatten().tolist() == [0, 10]
    assert grid(bins=4, seed=1)[1].sum() != 0


def test_points_do_not_depend_on_the_other_splits():
    few, many = points({"train": 50, "test": 10}), points({"train": 50, "val": 7, "test": 10})
    torch.testing.assert_close(few["test"][0], many["test"][0])
