"""NeuroBench's metrics, from its definitions: indicator weights times indicator inputs."""

import torch
import torch.nn.functional as F
from torch import nn

from bayesnn_spike.energy import count, count_ann, neurobench_metrics
from tests.energy.brute import filled, inputs_of, near, numbers_like, small_snn, spikes_like


def test_a_spiking_network() -> None:
    network, x = small_snn(), spikes_like(4, 3, 2, 6, 6)
    network.head.weight.data[:, ::2] = 0.0
    seen = inputs_of(network, x, ["conv", "strided", "head", "fire", "fire2"])
    ones = {n: (seen[n] != 0).float() for n in ("conv", "strided", "head")}
    used = {n: (getattr(network, n).weight != 0).float().detach() for n in ones}
    conv = F.conv2d(ones["conv"].flatten(0, 1), used["conv"], padding=1)
    pooled = F.conv2d(ones["strided"].flatten(0, 1), used["strided"], stride=2, padding=1)
    found = neurobench_metrics(count(network, x))
    head = F.linear(ones["head"], used["head"])
    assert found["Effective_ACs"] == near(float(conv.sum() + head.sum()) / 3)
    assert found["Effective_MACs"] == near(float(pooled.sum()) / 3)
    assert found["Dense"] == 4 * (3 * 2 * 16 * 16 + 4 * 3 * 9 + 80)
    assert found["connection_sparsity"] == near(40 / (54 + 48 + 80))
    spikes = [network.fire(seen["fire"])[0], network.fire2(seen["fire2"])[0]]
    zeros = sum(int((s == 0).sum()) for s in spikes) / sum(s.numel() for s in spikes)
    assert found["activation_sparsity"] == near(zeros)


def test_an_ann_is_spared_its_zeros() -> None:
    ann = filled(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)))
    images = numbers_like(4, 6)
    alive = int((ann[0](images) > 0).sum())
    found = neurobench_metrics(count_ann(ann, images))
    assert found["Effective_MACs"] == near((4 * 30 + 3 * alive) / 4)
    assert found["Effective_ACs"] == 0
    assert found["Dense"] == 45
    assert found["activation_sparsity"] == near(1 - alive / 20)


def test_nothing_to_share_is_zero() -> None:
    found = neurobench_metrics(count_ann(nn.Linear(2, 2), torch.ones(1, 2)))
    assert (found["activation_sparsity"], found["connection_sparsity"]) == (0.0, 0.0)
    assert found["Effective_ACs"] == 4  # inputs of 1 are spikes to NeuroBench
