"""The stage of energy: operations counted on images, in the paper's accounting and strictly."""

import json
from collections.abc import Iterator
from typing import Any

import spiking
from converted import HALF, converted
from kept import Run, say
from quantised import quantised
from safetensors.torch import load_file
from stages import Setting, trained
from torch import nn

from bayesnn_spike.convert import Maximum
from bayesnn_spike.encoding import direct
from bayesnn_spike.energy import FP32, Paper, Strict, compare, count, count_ann
from bayesnn_spike.io import atomic_write_text

IMAGES, CHUNK = 200, 20
PLAIN, TUNED, QUANTISED = (64, 256), (16, 64), (4, 8)
"""Steps T of the published conversion, the tuned one, and QCFS."""
ACCOUNTINGS = {"paper": Paper(), "strict": Strict(hold_analog=True)}
"""Both with 4.6 pJ a multiplication and addition and 0.9 pJ an addition, of 45 nm. The image is
the same at every step: strictly, the first layer multiplies once and adds its currents T times."""


def energy(run: Run, setting: Setting) -> None:
    """Count what networks that are there do for an image, beside the ANN."""
    path = run.folder / "energy.json"
    if path.exists():
        return
    images, _ = setting.split("test", IMAGES)
    ann, rows = count_ann(trained(run, setting), images), []
    for rule, steps, net in _networks(run, setting):
        net.eval()
        counts = count(net, (direct(some, steps) for some in images.split(CHUNK)))
        row: dict[str, Any] = {"rule": rule, "steps": steps, "images": IMAGES}
        for name, accounting in ACCOUNTINGS.items():
            both = compare(counts, ann, table=FP32, accounting=accounting)
            row[name] = {
                "joules": both.snn.joules,
                "ann_joules": both.ann.joules,
                "ratio": both.ratio,
                "macs": sum(layer.macs for layer in both.snn.layers),
                "acs": sum(layer.acs for layer in both.snn.layers),
                "neuron_joules": sum(layer.neuron_j for layer in both.snn.layers),
            }
        rows.append(row)
        seen = ", ".join(f"{row[name]['ratio']:.2f} ({name})" for name in ACCOUNTINGS)
        say(f"  {rule} T={steps}: {seen} of the ANN's energy")
    atomic_write_text(path, json.dumps(rows, indent=1) + "\n")


def _networks(run: Run, setting: Setting) -> Iterator[tuple[str, int, nn.Module]]:
    """Build the networks of the rows that are there."""
    kept = run.rows()
    plain = converted(run, setting).network
    yield from (("conversion", t, plain) for t in PLAIN if ("conversion", t) in kept)
    for t in TUNED:
        if ("conversion_tuned", t) in kept:
            scale = kept["conversion_tuned", t][1]["scale"]
            yield "conversion_tuned", t, converted(run, setting, Maximum(scale), HALF).network
    name = f"hybrid_{spiking.better(run, 'hybrid')}"
    for t in spiking.EPOCHS[run.data]:
        facts = kept[name, t][1]
        net = spiking.start(run, setting, facts["surrogate"], facts["scale"], learned=True).network
        net.load_state_dict(load_file(run.weights(f"{name}-{t}")))
        yield "hybrid", t, net
    if ("qcfs", QUANTISED[0]) in kept:
        net = quantised(run, setting).network
        yield from (("qcfs", t, net) for t in QUANTISED)
