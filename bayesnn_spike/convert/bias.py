"""Constant currents into neurons: where a bias can be, and what is added to it.

A neuron's current comes from a layer of weights, through sums, pools and dropout. A number added to
that layer's bias is added to the current, times the gain of the sums on the way.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from bayesnn_spike.convert.plan import INPUT, Add, Drop, Operation, Plan, Pool, Step, Synapse
from bayesnn_spike.nn import Graph


class Source(NamedTuple):
    """A layer of weights whose bias reaches one layer of neurons and nothing else.

    Attributes:
        layer: its name.
        sums: sums on the way, with the numbers of the inputs that lead back to it: two where one
            current is added to itself.
    """

    layer: str
    sums: tuple[tuple[str, tuple[int, ...]], ...]


def source(plan: Plan, step: Step) -> Source:
    """Return where a bias for a layer of neurons goes.

    Args:
        plan: without batch normalisation.
        step: the neurons.

    Raises:
        ValueError: no layer of weights is before them, or its current also goes elsewhere; the
            message names the neurons and says what else to do.

    Oracle: tests/convert/test_bias.py.
    """
    found, shared = _search(plan, step.inputs[0], ())
    if found is not None:
        return found
    if shared:
        why = f"the current of {', '.join(shared)} before it also goes elsewhere"
    else:
        why = "there is no layer of weights right before it"
    raise ValueError(
        f"{step.path}: {why}, so no bias of its own can be moved; take MatchPotential() and "
        "v_init, which need none"
    )


def _search(
    plan: Plan, name: str, sums: tuple[tuple[str, tuple[int, ...]], ...]
) -> tuple[Source | None, list[str]]:
    """The first layer of weights behind a current, and those that others read as well."""
    if name == INPUT:
        return None, []
    step = plan[name]
    shared = len(plan.readers(name)) > 1 or plan.output == name
    if isinstance(step.operation, Synapse):
        return (None, [step.path]) if shared else (Source(name, sums), [])
    # The mean of a constant is the constant, and every input of a sum has a gain of its own.
    if shared or not isinstance(step.operation, Add | Drop | Pool) or _pads(step.operation):
        return None, []
    others = []
    for read in dict.fromkeys(step.inputs):
        places = tuple(place for place, other in enumerate(step.inputs) if other == read)
        more = ((name, places),) if isinstance(step.operation, Add) else ()
        found, taken = _search(plan, read, sums + more)
        if found is not None:
            return found, []
        others += taken
    return None, others


def _pads(operation: Operation) -> bool:
    """Whether a pool makes something else of a constant: zeros of a border, or another divisor."""
    pool = getattr(operation, "module", None)
    if not isinstance(pool, nn.AvgPool2d):
        return False
    padded = pool.padding not in (0, (0, 0)) and pool.count_include_pad
    return padded or pool.divisor_override is not None


@torch.no_grad()
def add_current(network: Graph, plan: Plan, step: Step, current: Tensor) -> None:
    """Add a constant current to a layer of neurons, by the bias of the layer before it.

    Args:
        network: converted from the plan; it is changed.
        plan: without batch normalisation.
        step: the neurons.
        current: 0-dim or `[C]`, in the units of their membrane.

    Raises:
        ValueError: as `source`.

    Oracle: tests/convert/test_bias.py.
    """
    found = source(plan, step)
    layer = network.get_submodule(found.layer)
    for name, places in found.sums:
        total = network.get_submodule(name)
        gain = sum(total.get_buffer(f"gain{place}") for place in places)
        current = current / (gain.flatten() if gain.numel() > 1 else gain.reshape(()))
    more = (current / layer.scale).expand(len(layer.weight))
    if layer.bias is None:
        layer.bias = nn.Parameter(more.clone())
    else:
        layer.bias.add_(more)
