"""Run a network on data and count what its synapses and neurons do.

    counts = count(network, spikes)            # [T, B, *in]; an SNN, K draws with `weights`
    counts = count_ann(ann, images)            # [B, *in]; plain torch.nn or ours

Oracle: tests/energy/test_count.py.
"""

import inspect
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bayesnn_spike.checks import require_positive
from bayesnn_spike.convert.qcfs import QcfsReLU
from bayesnn_spike.energy.count_guards import (
    first_argument,
    require_countable,
    require_inputs,
    time_check,
)
from bayesnn_spike.energy.counts import Counts, NeuronCounts, SynapseCounts
from bayesnn_spike.energy.leaks import leaks_of
from bayesnn_spike.energy.observe import SYNAPSES, Pooled, Run, layer, magnitude_levels, synapse
from bayesnn_spike.nn import Conv2d, Fold, Graph, Linear, LocalReadouts
from bayesnn_spike.nn.evaluating import evaluating
from bayesnn_spike.types import Weights
from bayesnn_spike.weights.lazy import numbers

_POOLS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)


@torch.no_grad()
def count(
    network: nn.Module,
    spikes: Tensor | Iterable[Tensor],
    *,
    weights: Weights | None = None,
) -> Counts:
    """Count the operations of a spiking network on real data.

    Counted are `nn.Linear` and `nn.Conv2d`, ours and torch's, the fixed last readout of
    `nn.LocalReadouts`, and every module with a state as neurons. Average pooling of spikes is
    followed through `nn.AvgPool2d` and `nn.AdaptiveAvgPool2d` and views of what they return; a
    pooling that is called as a function is not seen, and what comes out of it is analog. So is a
    sum of spikes of several layers.

    Args:
        network: `forward(x [T, B, *in]) -> readout` or `(readout, state)`.
        spikes: inputs `[T, B, *in]`, or batches of them with one T.
        weights: weights with a leading K by name (`posterior.sample(k, stream)`): the K networks
            run one after the other and all are counted whole, layers that no draw reaches K times.
            None: the network's own.

    Returns:
        Counts, summed over all examples. The chunking into batches changes none.

    Raises:
        TypeError: the network is no module but for instance a Conversion, or inputs are no tensor.
        ValueError: no examples, no axis of time, an input that is not finite, another number of
            steps in a later batch, weights of different K, or a module with weights that is neither
            counted nor normalisation (all are named).
    """
    return _over_batches(network, spikes, weights, ann=False)


@torch.no_grad()
def count_ann(ann: nn.Module, images: Tensor | Iterable[Tensor]) -> Counts:
    """Count the operations of a network without time; every one is a MAC.

    Batch normalisation counts nothing: at inference it is part of the weights before it.

    Args:
        ann: `forward(images [B, *in]) -> logits`, of `torch.nn` layers.
        images: `[B, *in]`, or batches of them.

    Raises:
        ValueError: as `count`.
    """
    return _over_batches(ann, images, None, ann=True)


def _over_batches(
    network: nn.Module, inputs: Tensor | Iterable[Tensor], weights: Weights | None, *, ann: bool
) -> Counts:
    require_countable(network)
    total = None
    for x in (inputs,) if isinstance(inputs, Tensor) else inputs:
        require_inputs(x, ann=ann)
        x = x if x.is_floating_point() else x.float()
        batch = None
        for drawn in _networks(network, weights):
            one = _one_batch(network, x, drawn, ann)
            batch = one if batch is None else batch.beside(one)
        total = batch if total is None else total + batch
    if total is None:
        raise ValueError("there is no batch to count on")
    return total


def _networks(network: nn.Module, weights: Weights | None) -> Iterator[Weights | None]:
    """The weights of each of the K networks, without a draw axis."""
    if weights is None:
        yield None
        return
    own = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    drawn = {n: w.shape[0] for n, w in weights.items() if w.ndim > own[n].ndim}
    draws = max(drawn.values(), default=1)
    if any(k not in (1, draws) for k in drawn.values()):
        raise ValueError(f"weights must have one number of draws K, got {drawn}")
    for k in range(draws):
        yield {n: w[k % drawn[n]] if n in drawn else w for n, w in weights.items()}


def _one_batch(network: nn.Module, x: Tensor, weights: Weights | None, ann: bool) -> Counts:
    run = Run(1, len(x)) if ann else Run(x.shape[0], x.shape[1])
    require_positive(run.examples, "examples")
    watch = _Watch(run, ann)
    with evaluating(network), ExitStack() as hooks:
        for name, module in network.named_modules():
            hook = watch.hook_of(name, module)
            if hook is not None:
                # The decision of a network with local readouts is read from its last block.
                seen = module.blocks[-1] if isinstance(module, LocalReadouts) else module
                handle = seen.register_forward_hook(hook, with_kwargs=True)
                hooks.callback(handle.remove)
            if isinstance(module, Graph | Linear | Conv2d):
                check = time_check(name, module)
                hooks.callback(module.register_forward_pre_hook(check, with_kwargs=True).remove)
        if weights is None:
            network(x)
        else:
            functional_call(network, dict(weights), (x,))
    synapses = tuple(watch.synapses.values())
    if not synapses:
        raise ValueError("no Linear or Conv2d ran: there is nothing to count")
    neurons = tuple(watch.neurons.values())
    parameters = list(network.parameters())
    kept = [*parameters, *network.buffers()]
    return Counts(
        synapses,
        neurons,
        examples=run.examples,
        steps=run.steps,
        draws=1,
        ann=ann,
        parameters=sum(p.numel() for p in parameters),
        footprint=sum(p.numel() * p.element_size() for p in kept),
    )


class _Watch:
    """The hooks of one call of the network, and what they saw, in the order of first calls."""

    def __init__(self, run: Run, ann: bool) -> None:
        self.run, self.ann = run, ann
        self.synapses: dict[str, SynapseCounts] = {}
        self.neurons: dict[str, NeuronCounts] = {}
        # By memory: a view of pooled spikes is pooled spikes. The tensor is kept, so that nothing
        # else can be there.
        self._pooled: dict[int, tuple[Tensor, Pooled]] = {}
        self._last = ""

    def hook_of(self, name: str, module: nn.Module):
        """Return the forward hook of a module, or None."""
        if isinstance(module, SYNAPSES):
            return lambda m, args, kwargs, _: self._synapse(name, m, first_argument(args, kwargs))
        if isinstance(module, LocalReadouts):
            return lambda _m, _args, _kwargs, out: self._readout(name, module, out[0])
        if isinstance(module, _POOLS):
            return lambda m, args, kwargs, out: self._pool(m, first_argument(args, kwargs), out)
        if isinstance(module, Fold) and isinstance(module.module, _POOLS):
            # It may pool by itself, without a call of the module.
            return lambda m, args, kwargs, out: self._pool(
                m.module, first_argument(args, kwargs), out
            )
        if _has_state(module) and not list(module.children()):
            return lambda m, args, kwargs, out: self._neuron(
                name, m, first_argument(args, kwargs), out
            )
        plain = type(module).__module__ == "torch.nn.modules.activation"
        if plain or isinstance(module, QcfsReLU):
            return lambda m, _args, _kwargs, out: self._neuron(name, m, None, out)
        return None

    def _synapse(self, name: str, module: nn.Module, x: Tensor) -> None:
        x = numbers(x)
        self._add(name, synapse(name, module, x, self._origin(x), self.run))

    def _readout(self, name: str, module: LocalReadouts, spikes: Tensor) -> None:
        index = len(module.blocks) - 1
        signs = module.get_buffer(f"readout{index}")
        x = numbers(spikes)
        while x.shape[-1] != signs.shape[1]:
            x = x.flatten(-2)
        path = f"{name}.readout{index}" if name else f"readout{index}"
        self._add(path, layer(path, signs, x, None, None, self.run, bias=False))

    def _add(self, name: str, found: SynapseCounts) -> None:
        self.synapses[name] = self.synapses[name] + found if name in self.synapses else found
        self._last = name

    def _origin(self, x: Tensor) -> Pooled | None:
        """What is known of an input: nothing, or that it is pooled spikes."""
        known = self._pooled.get(x.untyped_storage().data_ptr())
        return None if known is None else known[1]

    def _pool(self, module: nn.Module, x: Tensor, out: Tensor) -> None:
        x = numbers(x)
        before = self._origin(x) or Pooled(magnitude_levels(x), 1)
        window = _cells(module, x, out)
        if before.levels is not None and window is not None:
            cells, divisor = window
            levels = tuple(level * cells / divisor for level in before.levels)
            after = Pooled(levels, before.area * cells)
            self._pooled[out.untyped_storage().data_ptr()] = (out, after)

    def _neuron(self, name: str, module: nn.Module, x: Tensor | None, out) -> None:
        values = numbers(out[0] if isinstance(out, tuple) else out)
        updates = 0 if x is None else x.numel()
        leaks = leaks_of(module) if updates else leaks_of(None)
        found = NeuronCounts(
            name=name,
            kind=type(module).__name__,
            layer=self._last,
            analog=magnitude_levels(values) is None,
            updates=updates,
            outputs=values.numel(),
            nonzero=int(torch.count_nonzero(values)),
            multiplications=updates * leaks.multiplications,
            shifts=updates * leaks.shifts,
            states=updates * leaks.states,
            membrane_updates=0 if x is None else self._membrane_updates(name, x, values),
        )
        self.neurons[name] = self.neurons[name] + found if name in self.neurons else found

    def _membrane_updates(self, name: str, x: Tensor, spikes: Tensor) -> int:
        """Neurons of the first step, and spikes of the others.

        A network that loops over time calls its neurons step by step, with or without the axis.
        """
        if name in self.neurons:
            return int(torch.count_nonzero(spikes))
        if x.ndim < 3 or x.shape[1] != self.run.examples:
            return x.numel()
        return x.numel() // len(x) + int(torch.count_nonzero(spikes[1:]))


def _has_state(module: nn.Module) -> bool:
    return "state" in inspect.signature(module.forward).parameters


def _cells(module: nn.Module, x: Tensor, out: Tensor) -> tuple[int, int] | None:
    """Cells of a window and what their sum is divided by, where it is one number; else None."""
    if isinstance(module, nn.AdaptiveAvgPool2d):
        sides = list(zip(x.shape[-2:], out.shape[-2:], strict=True))
        if any(a % b for a, b in sides):
            return None
        cells = sides[0][0] * sides[1][0] // (sides[0][1] * sides[1][1])
        return cells, cells
    kernel = module.kernel_size
    cells = kernel * kernel if isinstance(kernel, int) else kernel[0] * kernel[1]
    if module.divisor_override is not None:
        return cells, module.divisor_override
    padded = module.padding not in (0, (0, 0)) and not module.count_include_pad
    return None if padded or module.ceil_mode else (cells, cells)
