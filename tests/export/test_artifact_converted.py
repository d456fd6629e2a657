"""Artifacts of converted networks: thresholds, gains and first membranes come along."""

from pathlib import Path

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import bernoulli_prior
from bayesnn_spike.encoding import direct
from bayesnn_spike.export import ArtifactError, load_artifact, save_artifact
from bayesnn_spike.nn import Graph, Sequential
from bayesnn_spike.posterior import Bernoulli, Point
from bayesnn_spike.predict import Committee, predict
from bayesnn_spike.rng import Stream
from tests.convert.nets import chain, residual
from tests.convert.test_keep import CHANGES, OPTIONS, X, answers, made

PARTS = {"shape": (1, 8, 8), "classes": tuple("abcde"), "encoding": {}, "training": {}}


def weights(network: Graph) -> dict[str, torch.Tensor]:
    return {name: value.detach() for name, value in network.named_parameters()}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("net", [chain, residual])
def test_the_same_answers_come_back(tmp_path: Path, net, change: str) -> None:
    kept = CHANGES[change](made(OPTIONS[1], net))
    save_artifact(tmp_path / "a", posterior=Point(weights(kept)), network=kept, **PARTS)
    found, posterior, meta = load_artifact(tmp_path / "a")
    assert meta.network["model"] == "converted"
    with torch.no_grad():
        again, _ = torch.func.functional_call(found, posterior.weights, (direct(X, 8),))
    assert torch.equal(again, answers(kept))


def test_a_posterior_of_some_layers_leaves_the_others_their_weights(tmp_path: Path) -> None:
    prior = bernoulli_prior(made().network)
    parts = {"posterior": Bernoulli(prior.logits), "network": prior.network, **PARTS}
    save_artifact(tmp_path / "a", **parts)
    network, posterior, _ = load_artifact(tmp_path / "a")
    members = [
        predict(net, q, direct(X, 8), how=Committee(4), stream=Stream(1)).members
        for net, q in ((prior.network, parts["posterior"]), (network, posterior))
    ]
    assert torch.equal(*members)
    wrong = Point({"conv1.weight": torch.ones(4, 1, 3, 2)})
    with pytest.raises(ArtifactError, match="are not the network's"):
        save_artifact(tmp_path / "b", posterior=wrong, network=prior.network, **PARTS)


def test_other_modules_are_refused_in_a_sentence(tmp_path: Path) -> None:
    kept = made().network
    point = Point(weights(kept))
    with pytest.raises(ArtifactError, match="network is a Sequential: give the description it was"):
        save_artifact(tmp_path / "a", posterior=point, network=Sequential(), **PARTS)
    kept.relu1 = nn.Identity()
    with pytest.raises(ArtifactError, match=r"layer 'relu1' of kind .* is none that a conversion"):
        save_artifact(tmp_path / "a", posterior=point, network=kept, **PARTS)
    assert not list(tmp_path.iterdir())
