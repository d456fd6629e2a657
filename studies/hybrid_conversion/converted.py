"""The stages that only convert: the paper's thresholds, tuned ones, and locally balanced ones."""

import time
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from kept import Run, say
from stages import Setting, trained
from torch import Tensor

from bayesnn_spike.convert import (
    Conversion,
    LocalBalance,
    Maximum,
    NeuronOptions,
    Thresholds,
    convert,
    curve,
)
from bayesnn_spike.encoding import Direct
from bayesnn_spike.neurons import Delayed, Immediate

STEPS = (4, 8, 16, 32, 40, 48, 64, 80, 96, 128, 256)
"""With ten times the steps of hybrid training, 40 and 80, and the next ones."""
DELAYED_STEPS, TUNED_STEPS = (8, 16, 32, 64), (4, 8, 16, 32, 64)
SCALES = (1.0, 0.7, 0.55, 0.4, 0.3)
CALIBRATION, CALIBRATION_STEPS, CHOICE = 256, 64, 1000
"""Training images that set thresholds and how long they are shown; images that choose a scale."""
HALF = NeuronOptions(v_init=0.5)


def converted(
    run: Run,
    setting: Setting,
    thresholds: Thresholds = Maximum(),
    neuron: NeuronOptions = NeuronOptions(),
) -> Conversion:
    """Convert the ANN of a run, with thresholds at the largest current of 64 steps if not said."""
    images, _ = setting.split("train", CALIBRATION)
    net, encoder = trained(run, setting), Direct(CALIBRATION_STEPS)
    return convert(net, images, thresholds=thresholds, encoder=encoder, neuron=neuron)


def as_published(run: Run, setting: Setting) -> None:
    """Scale 1, membranes from 0, in the immediate order and in the paper's."""
    for rule, order, steps in (
        ("conversion", Immediate(), STEPS),
        ("conversion_delayed", Delayed(), DELAYED_STEPS),
    ):
        missing = [t for t in steps if not run.has(rule, t)]
        if not missing:
            continue
        conversion = converted(run, setting, neuron=NeuronOptions(order=order))
        thresholds = {row.name: float(row.threshold) for row in conversion.report.layers}
        _keep(run, setting, rule, conversion, missing, thresholds=thresholds)


def tuned(run: Run, setting: Setting) -> None:
    """Membranes from V/2, and for every T the scale with the least NLL on held-out images.

    Not the one that is most often right: thresholds that clip nearly everything are right as often
    and make logits so small that the network hardly believes itself.
    """
    if run.has("conversion_tuned", *TUNED_STEPS):
        return
    images, labels = setting.split("val", CHOICE)
    found: dict[float, dict[int, dict[str, float]]] = {}
    for scale in SCALES:
        conversion = converted(run, setting, Maximum(scale), HALF)
        seen = curve(conversion.network, images, labels, encoder=Direct(1), steps=TUNED_STEPS)
        found[scale] = {
            t: {"accuracy": right, "nll": float(F.cross_entropy(conversion.descale(r, t), labels))}
            for t, right, r in zip(TUNED_STEPS, seen.accuracy, seen.readouts, strict=True)
        }
    best = {t: min(SCALES, key=lambda scale, t=t: found[scale][t]["nll"]) for t in TUNED_STEPS}
    say(f"  scales by T: {best}")
    held_out = {str(scale): seen for scale, seen in found.items()}
    for scale in sorted(set(best.values())):
        steps = [t for t in TUNED_STEPS if best[t] == scale]
        conversion = converted(run, setting, Maximum(scale), HALF)
        _keep(run, setting, "conversion_tuned", conversion, steps, scale=scale, held_out=held_out)


def balanced(run: Run, setting: Setting) -> None:
    """Membranes from V/2, and thresholds by local balancing: nothing is chosen."""
    missing = [t for t in TUNED_STEPS if not run.has("conversion_local", t)]
    if missing:
        conversion = converted(run, setting, LocalBalance(), HALF)
        _keep(run, setting, "conversion_local", conversion, missing)


def _keep(
    run: Run,
    setting: Setting,
    rule: str,
    conversion: Conversion,
    steps: Sequence[int],
    **facts,
) -> None:
    """Run the test images once and keep the rows of a rule."""
    started = time.perf_counter()
    images, labels = setting.split("test")
    seen = curve(conversion.network, images, labels, encoder=Direct(1), steps=steps)
    seconds = time.perf_counter() - started
    for t, readout in zip(seen.steps, seen.readouts, strict=True):
        run.keep(rule, t, conversion.descale(readout, t), seconds=seconds, **facts)
        say(f"  {rule} T={t}: {accuracy(readout, labels):.2%}")


def accuracy(readout: Tensor, labels: Tensor) -> float:
    """Share of right answers."""
    return float((readout.argmax(-1) == labels).to(torch.float64).mean())
