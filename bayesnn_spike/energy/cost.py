"""Counts times prices: the energy of an inference, layer by layer.

    energy = cost(counts, FP32, Strict())
    print(energy)                     # a table; energy.joules, energy.layers, energy.as_dict()

Oracle: tests/energy/test_cost.py.
"""

from dataclasses import asdict, dataclass
from typing import Any, final

from bayesnn_spike.checks import require_kind
from bayesnn_spike.energy.accounting import Accounting, Operations, Strict, require_accounting
from bayesnn_spike.energy.counts import INPUT, Counts, NeuronCounts, SynapseCounts
from bayesnn_spike.energy.memory import layer_traffic
from bayesnn_spike.energy.tables import FP32, CostTable
from bayesnn_spike.energy.text import joules, table


@final
@dataclass(frozen=True)
class LayerEnergy:
    """One layer and the neurons behind it, in joules an example.

    Attributes:
        name: of the synapse.
        mac_j: multiply-accumulates.
        ac_j: accumulates of spikes, or additions of signs.
        neuron_j: updates, leaks, resets, and biases.
        memory_j: traffic; 0 where the accounting has none.
        macs, acs: operations of the synapse behind the first two.
    """

    name: str
    mac_j: float
    ac_j: float
    neuron_j: float
    memory_j: float
    macs: float
    acs: float

    @property
    def joules(self) -> float:
        """All of it."""
        return self.mac_j + self.ac_j + self.neuron_j + self.memory_j


@final
@dataclass(frozen=True)
class Energy:
    """Energy of one example, all T steps and K draws included.

    Attributes:
        layers: in order.
        table: the prices.
        accounting: what was counted.
        steps: T.
        draws: K.
        notes: sentences on what the numbers take for granted.
    """

    layers: tuple[LayerEnergy, ...]
    table: CostTable
    accounting: Accounting
    steps: int
    draws: int
    notes: tuple[str, ...]

    @property
    def joules(self) -> float:
        """Joules an example."""
        return sum(layer.joules for layer in self.layers)

    @property
    def joules_per_draw(self) -> float:
        """Joules an example and network of the committee."""
        return self.joules / self.draws

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers and names, for JSON."""
        return {
            "joules": self.joules,
            "accounting": {"name": self.accounting.name, **asdict(self.accounting)},
            "table": asdict(self.table),
            "steps": self.steps,
            "draws": self.draws,
            "layers": [asdict(layer) for layer in self.layers],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        head = ("layer", "MAC", "AC", "neurons", "memory", "all", "share")
        whole = self.joules or 1.0
        rows = []
        for layer in self.layers:
            parts = (layer.mac_j, layer.ac_j, layer.neuron_j, layer.memory_j, layer.joules)
            cells = (joules(part) if part else "-" for part in parts)
            rows.append((layer.name, *cells, f"{100 * layer.joules / whole:.1f} %"))
        title = (
            f"{joules(self.joules)} an example: {self.accounting.name} accounting, "
            f"{self.table.name}, T = {self.steps}, K = {self.draws}"
        )
        return "\n".join([table(title, head, rows), *self.notes])


def cost(counts: Counts, table: CostTable = FP32, accounting: Accounting = Strict()) -> Energy:
    """Return the energy of an example.

    The counts hold all T steps and K draws of it; nothing is multiplied by these again.

    Args:
        counts: of `count` or `count_ann`.
        table: what operations cost.
        accounting: what counts as an operation.

    Raises:
        TypeError: one of the three is something else, such as a class in place of its value.
    """
    require_kind(counts, "counts", Counts)
    require_kind(table, "table", CostTable)
    require_accounting(accounting)
    layers = [_layer(s, neurons, counts, table, accounting) for s, neurons in counts.layers()]
    return Energy(
        tuple(layers), table, accounting, counts.steps, counts.draws, _notes(counts, table)
    )


def priced(operations: Operations, table: CostTable) -> tuple[float, float]:
    """Return the joules of multiplications and MACs, and of additions."""
    adder = table.ac_pj if table.sign_add is None else table.sign_add.pj
    multiplied = operations.macs * table.mac_pj + operations.multiplications * table.multiply_pj
    added = operations.acs * table.ac_pj + operations.sign_adds * adder
    return multiplied * 1e-12, added * 1e-12


def fixed_joules(
    s: SynapseCounts | None,
    neurons: list[NeuronCounts],
    counts: Counts,
    table: CostTable,
    accounting: Accounting,
) -> float:
    """Joules of neurons and biases, summed over examples."""
    operations = Operations() if s is None else accounting.fixed(s, ann=counts.ann)
    for n in neurons:
        operations = operations.plus(accounting.neuron(n))
    return sum(priced(operations, table))


def _layer(
    s: SynapseCounts | None,
    neurons: list[NeuronCounts],
    counts: Counts,
    table: CostTable,
    accounting: Accounting,
) -> LayerEnergy:
    signs = table.sign_add is not None
    operations = Operations()
    if s is not None:
        operations = accounting.synapse(s, ann=counts.ann, signs=signs)
    multiplied, added = priced(operations, table)
    memory = 0.0
    if accounting.memory is not None:
        bytes_ = layer_traffic(s, neurons, accounting.memory.words, ann=counts.ann).bytes
        memory = bytes_ * accounting.memory.pj_per_byte * 1e-12
    share = 1 / counts.examples
    return LayerEnergy(
        name=INPUT if s is None else s.name,
        mac_j=multiplied * share,
        ac_j=added * share,
        neuron_j=fixed_joules(s, neurons, counts, table, accounting) * share,
        memory_j=memory * share,
        macs=operations.macs * share,
        acs=(operations.acs + operations.sign_adds) * share,
    )


def _notes(counts: Counts, table: CostTable) -> tuple[str, ...]:
    """What a reader of the numbers should know."""
    if table.sign_add is None:
        return ()
    adder = table.sign_add
    narrow = [s.name for s in counts.synapses if s.binary and not adder.holds(s.fan_in)]
    if not narrow:
        return ()
    return (
        f"A sum of signs may overflow {adder.bits} bits in {', '.join(narrow)}: "
        "take a wider adder, or show that it does not.",
    )
