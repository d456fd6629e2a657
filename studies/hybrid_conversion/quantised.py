"""The stage of QCFS: the ANN is trained on with quantised activations, then converted."""

import time

import ann as training
from converted import accuracy
from kept import Run, say
from safetensors.torch import load_file
from stages import Setting, trained
from torch import nn

from bayesnn_spike.convert import Conversion, NeuronOptions, Qcfs, convert, curve, with_qcfs
from bayesnn_spike.encoding import Direct

LEVELS, STEPS = 4, (1, 2, 4, 8, 16, 32)
EPOCHS = {"mnist": 2, "fashion-mnist": 4, "cifar10-jpeg": 4}


def qcfs(run: Run, setting: Setting) -> None:
    """Train with four levels from the ANN's weights, and convert with the learned bounds."""
    if run.has("qcfs", *STEPS) and run.has("qcfs_ann", 0):
        return
    started = time.perf_counter()
    net = _levels(run, setting)
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.1 if module.p < 0.5 else 0.3
    recipe = training.AnnRecipe(EPOCHS[run.data], lr=5e-4)
    stream = setting.stream.child("qcfs")
    training.train(net, setting.data, recipe, setting.augment, stream, _log)
    seconds = time.perf_counter() - started
    run.keep_weights("qcfs", net)
    images, labels = setting.split("test")
    run.keep("qcfs_ann", 0, training.logits(net, images), seconds=seconds)
    conversion = quantised(run, setting)
    seen = curve(conversion.network, images, labels, encoder=Direct(1), steps=STEPS)
    for t, readout in zip(seen.steps, seen.readouts, strict=True):
        run.keep("qcfs", t, conversion.descale(readout, t), seconds=seconds, levels=LEVELS)
        say(f"  qcfs T={t}: {accuracy(readout, labels):.2%}")


def quantised(run: Run, setting: Setting) -> Conversion:
    """Convert the ANN that was trained on with four levels, membranes from V/2."""
    net = _levels(run, setting)
    net.load_state_dict(load_file(run.weights("qcfs")))
    images, _ = setting.split("train", 256)
    options = NeuronOptions(v_init=0.5)
    return convert(net, images, thresholds=Qcfs(), encoder=Direct(LEVELS), neuron=options)


def _levels(run: Run, setting: Setting) -> nn.Module:
    return with_qcfs(trained(run, setting), LEVELS, setting.split("train", 256)[0])


def _log(epoch: int, loss: float) -> None:
    say(f"  qcfs epoch {epoch}: loss {loss:.4f}")
