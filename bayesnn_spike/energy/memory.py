"""Memory traffic by a stated model, and what a byte of it costs. No accounting has it by default.

The model has no reuse: an operation reads its weight, an operation on an analog input reads that as
well. A membrane is read and written once a step. A spike map is written and read as bits, at every
step, whether anything fired or not. An analog layer's outputs are written once. Real hardware keeps
weights and partial sums near the arithmetic, an ANN's regular loops more easily than events, so
these are upper bounds, and they flatter neither side in the same way.
Oracle: tests/energy/test_memory.py.
"""

from dataclasses import asdict, dataclass
from typing import Any, final

from bayesnn_spike.checks import require_positive
from bayesnn_spike.energy.counts import INPUT, Counts, NeuronCounts, SynapseCounts
from bayesnn_spike.energy.text import table


@final
@dataclass(frozen=True)
class Words:
    """Widths in bits. A spike is 1 bit.

    Attributes:
        weight: a real weight.
        sign: a weight of a layer whose weights all have one magnitude.
        activation: an analog value.
        membrane: a state variable of a neuron.

    Raises:
        ValueError: a width that is not positive.
    """

    weight: int = 32
    sign: int = 1
    activation: int = 32
    membrane: int = 32

    def __post_init__(self) -> None:
        for name, bits in asdict(self).items():
            require_positive(bits, name)


@final
@dataclass(frozen=True)
class Memory:
    """What traffic costs.

    Attributes:
        pj_per_byte: energy of a byte read or written.
        words: widths.
        source: where the number is from.

    Raises:
        ValueError: an energy that is not positive.
    """

    pj_per_byte: float
    words: Words = Words()
    source: str = ""

    def __post_init__(self) -> None:
        require_positive(self.pj_per_byte, "pj_per_byte")


_TALK = "Horowitz, ISSCC 2014 (45 nm), 64-bit access"
SRAM_8KB = Memory(10 / 8, source=f"{_TALK} to 8 KB: 10 pJ")
SRAM_1MB = Memory(100 / 8, source=f"{_TALK} to 1 MB: 100 pJ")
DRAM = Memory(1300 / 8, source=f"{_TALK} to DRAM: 1.3 to 2.6 nJ, the lower end")


@final
@dataclass(frozen=True)
class Traffic:
    """Bytes of one layer.

    Attributes:
        name: of the synapse.
        weights: read.
        inputs: read: analog words, or the bits of spike maps.
        membranes: read and written.
        outputs: written: analog words, or the bits of spike maps.
    """

    name: str
    weights: float
    inputs: float
    membranes: float
    outputs: float

    @property
    def bytes(self) -> float:
        """All of it."""
        return self.weights + self.inputs + self.membranes + self.outputs


@final
@dataclass(frozen=True)
class TrafficTable:
    """Bytes an example, layer by layer; `str()` is a table."""

    layers: tuple[Traffic, ...]

    @property
    def bytes(self) -> float:
        """All layers."""
        return sum(layer.bytes for layer in self.layers)

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers, for JSON."""
        return {"bytes": self.bytes, "layers": [asdict(layer) for layer in self.layers]}

    def __str__(self) -> str:
        head = ("layer", "weights", "inputs", "membranes", "outputs", "all")
        rows = [
            (t.name, *(f"{n:,.0f}" for n in (t.weights, t.inputs, t.membranes, t.outputs, t.bytes)))
            for t in self.layers
        ]
        return table(f"bytes of an example ({self.bytes:,.0f} in all), no reuse", head, rows)


def traffic(counts: Counts, words: Words = Words()) -> TrafficTable:
    """Return the memory traffic of a network, in bytes an example."""
    rows = []
    for s, neurons in counts.layers():
        found = layer_traffic(s, neurons, words, ann=counts.ann)
        parts = (found.weights, found.inputs, found.membranes, found.outputs)
        rows.append(Traffic(found.name, *(part / counts.examples for part in parts)))
    return TrafficTable(tuple(rows))


def layer_traffic(
    s: SynapseCounts | None, neurons: list[NeuronCounts], words: Words, *, ann: bool
) -> Traffic:
    """Return the bytes of a layer and its neurons, summed over examples.

    Args:
        s: the layer; None for neurons that run before any.
        neurons: behind it.
        words: widths.
        ann: the network has no time.
    """
    stateful = [n for n in neurons if n.updates]
    membranes = 2 * words.membrane * sum(n.states for n in stateful)
    outputs = sum(n.outputs * (words.activation if n.analog else 1) for n in stateful)
    if s is None:
        return Traffic(INPUT, 0.0, 0.0, membranes / 8, outputs / 8)
    events = s.spiking and not ann
    ops = s.synops if events else s.connections
    inputs = s.inputs * s.area if events else ops * words.activation
    # Without neurons (a head, an ANN) the sums are what is written.
    outputs = outputs if stateful else s.outputs * words.activation
    weights = ops * (words.sign if s.binary else words.weight)
    return Traffic(s.name, weights / 8, inputs / 8, membranes / 8, outputs / 8)
