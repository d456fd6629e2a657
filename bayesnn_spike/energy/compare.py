"""An ANN and an SNN side by side, and how many spikes the SNN could afford.

Oracle: tests/energy/test_compare.py.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, final

from bayesnn_spike.checks import require_kind
from bayesnn_spike.energy.accounting import Accounting, Strict
from bayesnn_spike.energy.cost import Energy, LayerEnergy, cost, fixed_joules
from bayesnn_spike.energy.counts import INPUT, Counts, SynapseCounts
from bayesnn_spike.energy.tables import FP32, CostTable
from bayesnn_spike.energy.text import joules, table


@final
@dataclass(frozen=True)
class LayerComparison:
    """One layer of both networks.

    Attributes:
        name: in the SNN.
        ann: the ANN's energy; None where the SNN has neurons only.
        snn: the SNN's energy.
        spikes: spikes of an input neuron in an inference (all steps, one draw); None for analog
            inputs.
        break_even: spikes at which the layer costs what the ANN's does, all input neurons firing
            equally often; below 0, biases and neurons alone cost more. None for analog inputs.
        rate, break_even_rate: the same two for one step.
    """

    name: str
    ann: LayerEnergy | None
    snn: LayerEnergy
    spikes: float | None
    break_even: float | None
    rate: float | None
    break_even_rate: float | None


@final
@dataclass(frozen=True)
class Comparison:
    """Both energies, layer by layer; `str()` is a table.

    Attributes:
        layers: in the SNN's order.
        ann, snn: the energies.
    """

    layers: tuple[LayerComparison, ...]
    ann: Energy
    snn: Energy

    @property
    def ratio(self) -> float:
        """The SNN's energy over the ANN's: below 1 it is cheaper."""
        return self.snn.joules / self.ann.joules

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers and names, for JSON."""
        return {
            "ratio": self.ratio,
            "ann": self.ann.as_dict(),
            "snn": self.snn.as_dict(),
            "layers": [
                {k: v for k, v in asdict(layer).items() if k not in ("ann", "snn")}
                for layer in self.layers
            ],
        }

    def __str__(self) -> str:
        head = ("layer", "ANN", "SNN", "SNN / ANN", "spikes", "break-even", "rate", "break-even")
        rows = [_row(layer) for layer in self.layers]
        totals = (joules(self.ann.joules), joules(self.snn.joules), f"{self.ratio:.3g}")
        rows.append(("all", *totals, *[""] * 4))
        title = (
            f"{self.snn.accounting.name} accounting, ANN {self.ann.table.name}, "
            f"SNN {self.snn.table.name}, T = {self.snn.steps}, K = {self.snn.draws}; "
            "spikes and rate: of an input neuron, in an inference and in a step"
        )
        return "\n".join([table(title, head, rows), *self.snn.notes])


def compare(
    snn: Counts,
    ann: Counts | None = None,
    *,
    table: CostTable = FP32,
    ann_table: CostTable | None = None,
    accounting: Accounting = Strict(),
) -> Comparison:
    """Price both networks alike and put them side by side.

    Args:
        snn: of `count`.
        ann: of `count_ann`; None for the ANN of the SNN's own shape (`snn.as_ann()`).
        table: prices of the SNN.
        ann_table: prices of the ANN; None for the same.
        accounting: of both.

    Raises:
        TypeError: something else than counts, a table or an accounting.
        ValueError: the layers of the two do not belong together, by name ("." is "_") or by order
            and size; or the first counts are of an ANN, or the second are not.
    """
    require_kind(snn, "snn", Counts)
    ann = snn.as_ann() if ann is None else ann
    require_kind(ann, "ann", Counts)
    if snn.ann or not ann.ann:
        raise ValueError("compare(snn, ann) takes counts of count() first, then of count_ann()")
    ann_energy = cost(ann, table if ann_table is None else ann_table, accounting)
    snn_energy = cost(snn, table, accounting)
    partners = _partners(snn, ann)
    by_name = {layer.name: layer for layer in ann_energy.layers}
    rows = []
    for (s, neurons), found in zip(snn.layers(), snn_energy.layers, strict=True):
        if s is None:
            rows.append(LayerComparison(INPUT, None, found, None, None, None, None))
            continue
        partner = by_name[partners[s.name]]
        per_spike, grows = _of_a_spike(s, table, accounting)
        fixed = fixed_joules(s, neurons, snn, table, accounting) / snn.examples
        budget = partner.joules - fixed - (found.memory_j - grows / snn.examples)
        rows.append(_layer(s, snn, partner, found, budget, per_spike))
    return Comparison(tuple(rows), ann_energy, snn_energy)


def _layer(
    s: SynapseCounts,
    snn: Counts,
    partner: LayerEnergy,
    found: LayerEnergy,
    budget: float,
    per_spike: float,
) -> LayerComparison:
    """Spikes of an inference, and those that cost what is left of the ANN's energy."""
    steps = s.applications / snn.examples / snn.draws
    if not s.spiking or not per_spike or not steps:
        return LayerComparison(s.name, partner, found, None, None, None, None)
    affordable = budget / snn.draws / per_spike
    return LayerComparison(
        s.name, partner, found, s.rate * steps, affordable, s.rate, affordable / steps
    )


def _of_a_spike(s: SynapseCounts, table: CostTable, accounting: Accounting) -> tuple[float, float]:
    """Joules if every input neuron fires once, and memory's part of what was measured.

    Of the memory's traffic only the weights' grows with the spikes.
    """
    one = accounting.synapse(s, ann=False, signs=table.sign_add is not None)
    adder = table.sign_add.pj if table.sign_add is not None and one.sign_adds else table.ac_pj
    read = 0.0
    if accounting.memory is not None:
        words = accounting.memory.words
        read = (words.sign if s.binary else words.weight) / 8 * accounting.memory.pj_per_byte
    measured = s.synops * read if s.spiking else 0.0
    return accounting.acs_of_a_spike(s) * (adder + read) * 1e-12, measured * 1e-12


def _partners(snn: Counts, ann: Counts) -> dict[str, str]:
    """The ANN's layer of every layer of the SNN."""
    plain = {s.name.replace(".", "_"): s.name for s in ann.synapses}
    names = [s.name.replace(".", "_") for s in snn.synapses]
    if set(names) == set(plain):
        return {s.name: plain[name] for s, name in zip(snn.synapses, names, strict=True)}
    sizes = [[_size(s) for s in counts.synapses] for counts in (snn, ann)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"the SNN's layers {[s.name for s in snn.synapses]} and the ANN's "
            f"{[s.name for s in ann.synapses]} differ in name, and in number or size"
        )
    return {s.name: a.name for s, a in zip(snn.synapses, ann.synapses, strict=True)}


def _size(s: SynapseCounts) -> float:
    return s.dense / s.applications if s.applications else math.nan


def _row(layer: LayerComparison) -> tuple[str, ...]:
    ann = "-" if layer.ann is None else joules(layer.ann.joules)
    whole = layer.ann.joules if layer.ann is not None else 0.0
    ratio = f"{layer.snn.joules / whole:.3g}" if whole else "-"
    numbers = (layer.spikes, layer.break_even, layer.rate, layer.break_even_rate)
    cells = ("-" if n is None else f"{n:.4g}" for n in numbers)
    return (layer.name, ann, joules(layer.snn.joules), ratio, *cells)
