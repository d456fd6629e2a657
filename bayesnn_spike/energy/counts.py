"""What was counted: sums over the examples, layer by layer, from which every accounting is made.

Nothing here has a price. All fields that are sums can be added, so that chunks of a data set give
what the whole gives. Oracle: tests/energy/test_counts.py.
"""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, final

from bayesnn_spike.energy.text import table

_STATIC = {
    *("name", "kind", "layer", "levels", "area", "ternary", "binary", "bias", "fan_in", "analog"),
}
_WEIGHTS = {"weights", "zero_weights"}  # more draws have more of them, more examples have not

INPUT = "(input)"
"""The row of neurons that run before any synapse."""


@final
@dataclass(frozen=True)
class SynapseCounts:
    """One linear layer or convolution, summed over draws, steps and examples.

    Attributes:
        name: the module's path.
        kind: "linear" or "conv2d".
        applications: times it was applied to one example at one step: examples x T x K.
        distinct: the same, an analog input that is the same at all steps counted once.
        dense: MACs as everybody counts them, the zeros of the padding included.
        connections: MACs without the padding.
        inputs, outputs: features, summed over applications.
        nonzero: inputs that are not 0.
        magnitude: sum of |x|.
        ops: outputs reached by inputs that are not 0.
        effective: the same through weights that are not 0 (NeuroBench's definition).
        weighted: outputs reached, times |x|.
        weights, zero_weights: weights of all draws, and zeros among them.
        levels: magnitudes of the spikes; one at most, None if the input is analog.
        area: cells of the pooling that the spikes went through, 1 without.
        ternary: all inputs are -1, 0 or 1.
        binary: all weights have one magnitude.
        bias: a bias is added at every application.
        fan_in: inputs of one output.
    """

    name: str
    kind: str
    applications: int
    distinct: int
    dense: int
    connections: int
    inputs: int
    outputs: int
    nonzero: int
    magnitude: float
    ops: int
    effective: int
    weighted: float
    weights: int
    zero_weights: int
    levels: tuple[float, ...] | None
    area: int
    ternary: bool
    binary: bool
    bias: bool
    fan_in: int

    @property
    def spiking(self) -> bool:
        """Whether the inputs are spikes: 0 and one magnitude, or averages of such."""
        return self.levels is not None

    @property
    def amplitude(self) -> float:
        """Magnitude of one spike, as if its cells were averaged; 1 if there was none."""
        return self.levels[0] if self.levels else 1.0

    @property
    def spikes(self) -> float:
        """Spikes that arrived, before pooling."""
        return self.magnitude * self.area / self.amplitude

    @property
    def synops(self) -> float:
        """Synaptic operations: every spike times its true fan-out.

        An average over k x k cells is folded into the weights behind it, so each of the k x k
        spikes is an operation of its own.
        """
        return self.weighted * self.area / self.amplitude

    @property
    def rate(self) -> float:
        """Spikes of an input neuron at a step; the mean |x| of an analog input."""
        return self.magnitude / self.amplitude / self.inputs if self.inputs else 0.0

    def __add__(self, other: "SynapseCounts") -> "SynapseCounts":
        levels = self.levels
        if self.spiking and other.spiking:
            levels = tuple(sorted({*self.levels, *other.levels}))
        if not self.spiking or not other.spiking or len(levels) > 1 or self.area != other.area:
            levels = None
        merged = {
            "levels": levels,
            "area": self.area if levels is not None else 1,
            "ternary": self.ternary and other.ternary,
            "binary": self.binary and other.binary,
            "bias": self.bias or other.bias,
        }
        return _added(self, other, merged)


@final
@dataclass(frozen=True)
class NeuronCounts:
    """One layer of neurons or activations, summed over draws, steps and examples.

    Attributes:
        name, kind: the module's path, and its class.
        layer: the synapse that ran before it; "" for the input's own traces.
        updates: updates of a state: neurons x T x K x examples; 0 for a stateless activation.
        outputs, nonzero: values that came out, and those of them that are not 0 (spikes).
        multiplications: leaks that need a multiplier, summed over updates.
        shifts: leaks 1 - 2^-k, a shift and a subtraction, summed over updates.
        states: state variables, summed over updates.
        membrane_updates: neurons at the first step, and spikes, which reset, at the others.
        analog: the values that came out are no spikes (traces, activations).
    """

    name: str
    kind: str
    layer: str
    analog: bool
    updates: int
    outputs: int
    nonzero: int
    multiplications: int
    shifts: int
    states: int
    membrane_updates: int

    @property
    def rate(self) -> float:
        """Share of outputs that are not 0: spikes of a neuron and step."""
        return self.nonzero / self.outputs if self.outputs else 0.0

    def __add__(self, other: "NeuronCounts") -> "NeuronCounts":
        return _added(self, other, {"analog": self.analog or other.analog})


@final
@dataclass(frozen=True)
class Counts:
    """What a network did on some examples.

    Attributes:
        synapses, neurons: in the order in which they ran.
        examples: B, over all batches.
        steps: T; 1 for an ANN.
        draws: K.
        ann: a network without time: every operation is a MAC.
        parameters: numbers among the parameters of one network; None: no network was counted.
        footprint: bytes of its parameters and buffers, as they are kept; None likewise.
    """

    synapses: tuple[SynapseCounts, ...]
    neurons: tuple[NeuronCounts, ...]
    examples: int
    steps: int
    draws: int
    ann: bool
    parameters: int | None
    footprint: int | None

    def __add__(self, other: "Counts") -> "Counts":
        """Counts of both sets of examples.

        Raises:
            ValueError: they are of other networks, steps or draws.
        """
        joined = self._joined(other, "steps", "draws", "ann")
        return replace(joined, examples=self.examples + other.examples)

    def beside(self, other: "Counts") -> "Counts":
        """Counts of a committee of both sets of draws, run on the same examples.

        Raises:
            ValueError: they are of other networks, steps or numbers of examples.
        """
        joined = self._joined(other, "steps", "examples", "ann")
        synapses = tuple(
            replace(s, **{name: getattr(a, name) + getattr(b, name) for name in _WEIGHTS})
            for s, a, b in zip(joined.synapses, self.synapses, other.synapses, strict=True)
        )
        return replace(joined, synapses=synapses, draws=self.draws + other.draws)

    def _joined(self, other: "Counts", *same: str) -> "Counts":
        for what in same:
            if getattr(self, what) != getattr(other, what):
                raise ValueError(
                    f"counts of other {what} cannot be added: "
                    f"{getattr(self, what)} and {getattr(other, what)}"
                )
        names = [[s.name for s in c.synapses + c.neurons] for c in (self, other)]
        if names[0] != names[1]:
            raise ValueError(f"counts of other networks cannot be added: {names[0]} and {names[1]}")
        return replace(
            self,
            synapses=tuple(a + b for a, b in zip(self.synapses, other.synapses, strict=True)),
            neurons=tuple(a + b for a, b in zip(self.neurons, other.neurons, strict=True)),
        )

    def times(self, draws: int) -> "Counts":
        """Counts of a committee of `draws` networks that each cost what this one did.

        Raises:
            ValueError: draws below 1, or these counts are of a committee already.
        """
        if draws < 1:
            raise ValueError(f"a committee has at least 1 network, got {draws}")
        if self.draws != 1:
            raise ValueError(f"these are counts of {self.draws} draws; times() takes one network's")
        return replace(
            self,
            synapses=tuple(_times(s, draws) for s in self.synapses),
            neurons=tuple(_times(n, draws) for n in self.neurons),
            draws=draws,
        )

    def as_ann(self) -> "Counts":
        """The same layers with real weights, run once on dense inputs: the ANN of this shape."""
        once = []
        for s in self.synapses:
            share = self.examples / s.applications if s.applications else 0.0
            sizes = ("dense", "connections", "inputs", "outputs")
            scaled = {f: round(getattr(s, f) * share) for f in sizes}
            full = {
                **dict.fromkeys(("applications", "distinct"), self.examples if share else 0),
                **dict.fromkeys(("ops", "effective"), scaled["connections"]),
                "nonzero": scaled["inputs"],
                "magnitude": float(scaled["inputs"]),
                "weighted": float(scaled["connections"]),
            }
            flags = {"levels": None, "area": 1, "ternary": False, "binary": False}
            once.append(replace(s, **scaled, **full, **flags))
        return Counts(tuple(once), (), self.examples, 1, 1, True, None, None)

    def layers(self) -> list[tuple[SynapseCounts | None, list[NeuronCounts]]]:
        """Return every synapse with the neurons behind it; None first for those of the input."""
        found = [(s, [n for n in self.neurons if n.layer == s.name]) for s in self.synapses]
        at_input = [n for n in self.neurons if not n.layer]
        return [(None, at_input), *found] if at_input else found

    def as_dict(self) -> dict[str, Any]:
        """Return the sums as plain numbers, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """A table of means over examples, all draws and steps of an example included."""
        head = ("layer", "input", "rate", "dense MAC", "SynOps", "effective", "neuron updates")
        rows = []
        for s, neurons in self.layers():
            updates = f"{sum(n.updates for n in neurons) / self.examples:,.0f}"
            if s is None:
                rows.append((INPUT, *[""] * 5, updates))
                continue
            events = s.spiking and not self.ann
            synops = f"{s.synops / self.examples:,.0f}" if events else "-"
            dense, effective = (f"{n / self.examples:,.0f}" for n in (s.dense, s.effective))
            rate = f"{s.rate:.4f}" if events else "-"
            kind = "dense" if self.ann else _input(s)
            rows.append((s.name, kind, rate, dense, synops, effective, updates))
        title = (
            f"operations of an example (mean of {self.examples:,}), "
            f"T = {self.steps}, K = {self.draws}"
        )
        return table(title, head, rows)


def _input(s: SynapseCounts) -> str:
    if not s.spiking:
        return "analog, constant" if s.distinct < s.applications else "analog"
    return "spikes" if s.area == 1 else f"spikes, mean of {s.area}"


def _added(left: Any, right: Any, merged: dict[str, Any]) -> Any:
    """Sum every field that is a sum over examples."""
    for field in fields(left):
        if field.name not in _STATIC | _WEIGHTS:
            merged[field.name] = getattr(left, field.name) + getattr(right, field.name)
    return replace(left, **merged)


def _times(counts: Any, factor: int) -> Any:
    """Multiply every field that is a sum over draws."""
    sums = [field.name for field in fields(counts) if field.name not in _STATIC]
    return replace(counts, **{name: getattr(counts, name) * factor for name in sums})
