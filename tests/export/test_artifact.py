"""Artifacts: the same bits come back, and a damaged or foreign file is refused in words."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bayesnn_spike.export import ArtifactError, load_artifact, save_artifact
from bayesnn_spike.export.artifact import is_artifact
from bayesnn_spike.io import IoError, read_header, save_tree
from bayesnn_spike.posterior import Bernoulli, Empirical, Gaussian, Joint, Point
from bayesnn_spike.predict import Committee, predict
from bayesnn_spike.rng import Stream

NETWORK = {"model": "mlp", "hidden": [5], "gain_out": 3.0}
SHAPES = {"input.weight": (5, 6), "readout.weight": (3, 5)}


def real(members: tuple[int, ...] = ()) -> dict[str, Tensor]:
    generator = Stream(3).generator()
    return {
        name: torch.randn(*members, *shape, generator=generator) for name, shape in SHAPES.items()
    }


def signs(members: tuple[int, ...] = ()) -> dict[str, Tensor]:
    return {name: values.sign() for name, values in real(members).items()}


POSTERIORS = {
    "bernoulli": Bernoulli(real()),
    "binary network": Point(signs()),
    "real network": Point(real()),
    "ensemble": Empirical(signs((4,))),
    "gaussian": Gaussian(real(), {name: values.exp() for name, values in real().items()}),
}


def save(path: Path, posterior: Any, **changes: Any) -> Path:
    parts = {
        "network": NETWORK,
        "shape": (6,),
        "classes": ("a", "b", "c"),
        "encoding": {"bins": 4},
        "training": {"data": "none", "seed": 0},
    }
    save_artifact(path, posterior=posterior, **(parts | changes))
    return path


@pytest.mark.parametrize("name", list(POSTERIORS))
def test_a_posterior_comes_back_with_the_same_bits(tmp_path: Path, name: str) -> None:
    posterior = POSTERIORS[name]
    network, found, meta = load_artifact(save(tmp_path / "a.safetensors", posterior))
    assert type(found) is type(posterior)
    assert vars(posterior).keys() == vars(found).keys()
    for field, before in vars(posterior).items():
        after = vars(found)[field]
        assert set(before) == set(after)
        for key, values in before.items():
            torch.testing.assert_close(after[key], values, rtol=0, atol=0)
    assert meta.network == NETWORK
    assert (meta.shape, meta.classes) == ((6,), ("a", "b", "c"))
    assert (meta.encoding, meta.training) == ({"bins": 4}, {"data": "none", "seed": 0})
    assert network.readout.scale == pytest.approx(3 / 5**0.5)


def test_the_rebuilt_network_predicts_the_same(tmp_path: Path) -> None:
    description = {"model": "local_mlp", "hidden": [5], "n_out": 3, "readout_seed": 9}
    posterior = Bernoulli({"blocks.0.synapse.weight": real()["input.weight"]})
    path = save(tmp_path / "a.safetensors", posterior, network=description)
    spikes = (torch.arange(4 * 2 * 6).reshape(4, 2, 6) % 3 == 0).float()
    answers = []
    for _ in range(2):
        network, found, _ = load_artifact(path)
        how = {"stream": Stream(1), "how": Committee(5)}
        answers.append(predict(network, found, spikes, **how).probabilities)
    torch.testing.assert_close(*answers, rtol=0, atol=0)
    for buffer in network.buffers():
        buffer.neg_()
    path = tmp_path / "b.safetensors"
    save(path, posterior, network={**description, "readout_seed": 10})
    other, _, _ = load_artifact(path)
    assert not torch.equal(other.readout0, load_artifact(tmp_path / "a.safetensors")[0].readout0)


def test_signs_take_one_bit_each(tmp_path: Path) -> None:
    weights = {"input.weight": torch.ones(512, 600), "readout.weight": torch.ones(3, 512)}
    network = {"model": "mlp", "hidden": [512]}
    path = save(tmp_path / "a.safetensors", Point(weights), network=network, shape=(600,))
    assert path.stat().st_size < (512 * 600 + 3 * 512) / 8 + 4096
    _, found, _ = load_artifact(path)
    torch.testing.assert_close(found.weights, weights, rtol=0, atol=0)


@pytest.mark.parametrize("at", [0, 9, 60, -200, -1])
def test_one_flipped_byte_is_found(tmp_path: Path, at: int) -> None:
    path = save(tmp_path / "a.safetensors", POSTERIORS["bernoulli"])
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)
    assert not is_artifact(path)
    with pytest.raises((IoError, ArtifactError), match=r"a\.safetensors"):
        load_artifact(path)


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_a_cut_file_is_found(tmp_path: Path, length: int) -> None:
    path = save(tmp_path / "a.safetensors", POSTERIORS["bernoulli"])
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(IoError, match="not a whole safetensors file"):
        load_artifact(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(IoError, match=r"nowhere.*cannot be read"):
        load_artifact(tmp_path / "nowhere.safetensors")


def test_another_file_of_the_package_is_no_artifact(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_tree(path, {"x": torch.zeros(3)}, {"fit": {"step": 3}})
    assert not is_artifact(path)
    with pytest.raises(ArtifactError, match="no trained network: 'no kind'"):
        load_artifact(path)


def changed(path: Path, **changes: Any) -> Path:
    """The same file with other entries in its header, written as the package writes."""
    header = read_header(path) | changes
    network, posterior, _ = load_artifact(path)
    del network
    tree = {f"weights.{name}": values for name, values in posterior.logits.items()}
    save_tree(path, tree, header)
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "an artifact of version 2; this package reads 1"),
        ({"network": {"model": "mpl"}}, "does not describe a network: unknown model 'mpl'"),
        ({"network": {"model": "mlp", "hidden": [4]}}, "are not the network's"),
        ({"posterior": "laplace"}, "does not describe a network: 'laplace'"),
        ({"tensors": {}}, "the keys differ"),
        ({"shape": [7]}, "are not the network's"),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = changed(save(tmp_path / "a.safetensors", POSTERIORS["bernoulli"]), **changes)
    with pytest.raises((ArtifactError, IoError), match=message):
        load_artifact(path)


def test_weights_of_another_network_are_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="are not the network's"):
        save(tmp_path / "a.safetensors", POSTERIORS["bernoulli"], shape=(7,))
    joint = Joint({"all": POSTERIORS["bernoulli"]})
    with pytest.raises(
        ArtifactError, match="holds one of Bernoulli, Gaussian, Point, Empirical, not Joint"
    ):
        save(tmp_path / "a.safetensors", joint)
    with pytest.raises(IoError, match="the header is not JSON"):
        save(tmp_path / "a.safetensors", POSTERIORS["bernoulli"], training={"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []
