"""`bayesnn-spike energy`: the committee that `predict` asks, counted and priced."""

import json
from pathlib import Path

import pytest
import torch

from bayesnn_spike.commands.predict import encoded
from bayesnn_spike.energy import FP16, INT8_ADD, Paper, Strict, cost, count
from bayesnn_spike.events.readers import iterate
from bayesnn_spike.export import load_artifact
from bayesnn_spike.rng import Stream
from tests.commands.test_predict import save
from tests.energy.brute import near
from tests.test_cli import call, write_recordings


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return save(tmp_path / "model.safetensors", "bernoulli")


def test_a_committee_is_counted_and_priced(artifact: Path, tmp_path: Path) -> None:
    data, out, picture = (tmp_path / name for name in ("some.npz", "out.json", "out.png"))
    write_recordings(data, [0, 1, 2])
    options = ("--draws", 4, "--seed", 7, "--prices", "fp16", "--adder", "int8")
    done = call(*("energy", artifact, "--data", data, *options, "--json", out, "--figure", picture))
    network, posterior, meta = load_artifact(artifact)
    spikes = torch.stack([encoded(item, meta) for item in iterate(data)], dim=1)
    drawn = posterior.sample(4, Stream(7).child("predict"))
    expected = count(network, spikes, weights=drawn)
    tree = json.loads(out.read_text())
    assert (tree["counts"]["draws"], tree["counts"]["examples"]) == (4, 3)
    energy = cost(expected, FP16.with_signs(INT8_ADD), Strict())
    assert tree["snn"]["joules"] == near(energy.joules)
    assert tree["ann"]["table"]["name"] == "fp16, 45 nm"
    assert tree["neurobench"]["Effective_MACs"] == 0
    assert str(energy) in done.stdout
    assert "break-even" in done.stdout
    assert "may overflow 8 bits" in done.stdout  # 2,312 inputs
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_the_paper_prices_signs_as_real_weights(artifact: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "some.npz", tmp_path / "out.json"
    write_recordings(data, [0, 1, 2])
    how = ("--draws", 2, "--accounting", "paper", "--adder", "none", "--recordings", 2)
    call("energy", artifact, "--data", data, *how, "--json", out)
    network, posterior, meta = load_artifact(artifact)
    items = list(iterate(data))[:2]
    spikes = torch.stack([encoded(item, meta) for item in items], dim=1)
    drawn = posterior.sample(2, Stream(0).child("predict"))
    expected = cost(count(network, spikes, weights=drawn), accounting=Paper())
    assert json.loads(out.read_text())["snn"]["joules"] == near(expected.joules)


@pytest.mark.parametrize(("kind", "networks"), [("point", 1), ("empirical", 2)])
def test_networks_that_are_no_posterior_are_their_own_committee(
    tmp_path: Path, kind: str, networks: int
) -> None:
    write_recordings(tmp_path / "some.npz", [0])
    path = save(tmp_path / "other.safetensors", kind)
    assert f"K = {networks}" in call("energy", path, "--data", tmp_path / "some.npz").stdout


def test_what_cannot_be_counted_is_said_plainly(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused = call("energy", artifact, "--data", tmp_path / "empty", code=1)
    assert refused.stderr.startswith("error: ")
    assert "Traceback" not in refused.output
    wrong = call("energy", artifact, "--data", tmp_path, "--sensor", "34", code=2)
    assert "write it as WIDTHxHEIGHT" in wrong.stderr
    wrong = call("energy", artifact, "--data", tmp_path, "--prices", "fp64", code=2)
    assert "fp64" in wrong.output
    (tmp_path / "none.safetensors").write_bytes(b"no artifact")
    broken = call("energy", tmp_path / "none.safetensors", "--data", tmp_path, code=1)
    assert "none.safetensors" in broken.stderr
