"""convert/file: one file holds a conversion, whatever was done to it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import (
    Qcfs,
    calibrate,
    convert,
    fold_thresholds,
    load_conversion,
    save_conversion,
    sum_pools,
    with_qcfs,
)
from bayesnn_spike.io import IoError, read_header, save_tree
from tests.convert.nets import chain, mlp, residual
from tests.convert.test_keep import CHANGES, EIGHT, OPTIONS, X, answers, made, tuned


@pytest.mark.parametrize(
    ("net", "change"),
    [
        *((net, change) for net in (chain, residual) for change in CHANGES.values()),
        (chain, lambda made: fold_thresholds(made.network)),
        (chain, lambda made: sum_pools(made.network)),
    ],
)
def test_the_network_answers_with_the_same_bits(tmp_path: Path, net, change) -> None:
    for options in OPTIONS:
        before = made(options, net)
        kept = replace(before, network=tuned(change(before)))
        save_conversion(tmp_path / "c.safetensors", kept)
        found = load_conversion(tmp_path / "c.safetensors")
        assert torch.equal(answers(found.network), answers(kept.network))
        assert found.report == kept.report
        names = [n for n, _ in kept.network.named_parameters()]
        assert [n for n, _ in found.network.named_parameters()] == names
        assert found.network.state_dict().keys() == kept.network.state_dict().keys()


def test_it_is_a_whole_conversion(tmp_path: Path) -> None:
    before = made(net=residual)
    save_conversion(tmp_path / "c.safetensors", before)
    after = load_conversion(tmp_path / "c.safetensors")
    sums = answers(before.network).sum(0)
    assert torch.equal(after.descale(sums, 8), before.descale(sums, 8))
    one, other = (calibrate(c, X, encoder=EIGHT) for c in (before, after))
    assert one.report == other.report
    assert torch.equal(answers(one.network), answers(other.network))


def test_modes_precision_and_fixed_weights(tmp_path: Path) -> None:
    before = made()
    before.network.double().train()
    before.network.conv1.weight.requires_grad_(False)
    save_conversion(tmp_path / "c.safetensors", before)
    after = load_conversion(tmp_path / "c.safetensors").network
    assert after.training
    assert after.relu1.leak.dtype == torch.float64
    trained = {n: p.requires_grad for n, p in after.named_parameters()}
    assert trained == {n: p.requires_grad for n, p in before.network.named_parameters()}


def test_quantised_activations(tmp_path: Path) -> None:
    x = X.flatten(1)[:, :50]
    before = convert(with_qcfs(mlp(), 4, x), x, thresholds=Qcfs(), encoder=EIGHT)
    save_conversion(tmp_path / "c.safetensors", before)
    after = load_conversion(tmp_path / "c.safetensors")
    assert next(after.plan.neurons()).operation.levels == 4
    assert calibrate(after, x, encoder=EIGHT).report == calibrate(before, x, encoder=EIGHT).report


def test_layers_of_ones_own_and_other_files_are_refused(tmp_path: Path) -> None:
    before = made()
    before.network.relu1 = nn.Identity()
    with pytest.raises(ValueError, match=r"layer 'relu1' of kind 'torch.nn.*Identity' is none"):
        save_conversion(tmp_path / "c.safetensors", before)
    assert not list(tmp_path.iterdir())
    before.network.state_dict()
    save_tree(tmp_path / "other", {}, {"kind": "cake", "version": 1})
    with pytest.raises(IoError, match="holds no conversion but 'cake'"):
        load_conversion(tmp_path / "other")
    save_tree(tmp_path / "later", {}, {"kind": "conversion", "version": 2})
    with pytest.raises(IoError, match="has version 2"):
        load_conversion(tmp_path / "later")


def test_headers_that_lack_something_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    for header in ({}, {"cake": 1}):
        save_tree(path, {}, header)
        with pytest.raises(IoError, match=r"was not written by save_conversion$"):
            load_conversion(path)
    save_tree(path, {}, {"kind": "conversion"})
    with pytest.raises(IoError, match="has version None, this package reads 1"):
        load_conversion(path)
    save_conversion(path, made())
    whole = read_header(path)
    for key in set(whole) - {"kind", "version"}:
        like = {"network": {}, "plan": {}, "scales": {}}
        save_tree(path, like, {**whole, "tensors": like} | {key: None})
        with pytest.raises(IoError, match=r"save_conversion does not write \(.*write it again"):
            load_conversion(path)
    save_tree(path, {}, {"kind": "conversion", "version": 1})
    with pytest.raises(IoError, match=r"\(no 'tensors'\): write it again"):
        load_conversion(path)
