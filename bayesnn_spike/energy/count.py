"""Run a network on data and count what its synapses and neurons do.

    counts = count(network, spikes)            # [T, B, *in]; an SNN, K draws with `weights`
    counts = count_ann(ann, images)            # [B, *in]; plain torch.nn or ours

Oracle: tests/energy/test_count.py.
"""

import inspect
from collections.abc import Iterable
from contextlib import ExitStack

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bayesnn_spike.checks import require_positive
from bayesnn_spike.energy.counts import Counts, NeuronCounts, SynapseCounts
from bayesnn_spike.energy.leaks import leaks_of
from bayesnn_spike.energy.observe import SYNAPSES, Pooled, Run, layer, magnitude_levels, synapse
from bayesnn_spike.nn import Fold, LocalReadouts
from bayesnn_spike.nn.evaluating import evaluating
from bayesnn_spike.types import Weights
from bayesnn_spike.weights.lazy import numbers

_POOLS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


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
    pooling that is called as a function is not seen, and what comes out of it is analog.

    Args:
        network: `forward(x [T, B, *in]) -> readout` or `(readout, state)`.
        spikes: inputs `[T, B, *in]`, or batches of them with one T.
        weights: weights with a leading K by name (`posterior.sample(k, stream)`): all K networks
            run and all are counted. None: the network's own.

    Returns:
        Counts, summed over all examples. The chunking into batches changes none.

    Raises:
        ValueError: no examples, another number of steps in a later batch, or a module with weights
            that is neither counted nor normalisation (all are named).
    """
    return _over_batches(network, spikes, weights, ann=False)


@torch.no_grad()
def count_ann(ann: nn.Module, images: Tensor | Iterable[Tensor]) -> Counts:
    """Count the operations of a network without time; every one is a MAC.

    Batch normalisation counts nothing: at inference it is part of the weights before it.

    Args:
        ann: `forward(images [B, *in]) -> logits`, with `torch.nn` layers or ours.
        images: `[B, *in]`, or batches of them.

    Raises:
        ValueError: as `count`.
    """
    return _over_batches(ann, images, None, ann=True)


def _over_batches(
    network: nn.Module, inputs: Tensor | Iterable[Tensor], weights: Weights | None, *, ann: bool
) -> Counts:
    _require_countable(network)
    total = None
    for x in (inputs,) if isinstance(inputs, Tensor) else inputs:
        if x.ndim < 2 or not x.numel():
            axes = "[B, *in]" if ann else "[T, B, *in]"
            raise ValueError(f"inputs must be {axes} with examples, got shape {tuple(x.shape)}")
        found = _one_batch(network, x if x.is_floating_point() else x.float(), weights, ann)
        total = found if total is None else total + found
    if total is None:
        raise ValueError("there is no batch to count on")
    return total


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
        if weights is None:
            network(x)
        else:
            functional_call(network, dict(weights), (x,))
    synapses = tuple(watch.synapses.values())
    if not synapses:
        raise ValueError("no Linear or Conv2d ran: there is nothing to count")
    neurons = tuple(watch.neurons.values())
    return Counts(synapses, neurons, run.examples, run.steps, _draws(network, weights), ann)


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
            return lambda m, args, kwargs, _: self._synapse(name, m, _first(args, kwargs))
        if isinstance(module, LocalReadouts):
            return lambda _m, _args, _kwargs, out: self._readout(name, module, out[0])
        if isinstance(module, _POOLS):
            return lambda m, args, kwargs, out: self._pool(m, _first(args, kwargs), out)
        if isinstance(module, Fold) and isinstance(module.module, _POOLS):
            # It may pool by itself, without a call of the module.
            return lambda m, args, kwargs, out: self._pool(m.module, _first(args, kwargs), out)
        if _has_state(module) and not list(module.children()):
            return lambda m, args, kwargs, out: self._neuron(name, m, _first(args, kwargs), out)
        if type(module).__module__ == "torch.nn.modules.activation":
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
        area = _area(module, x, out)
        if before.levels is not None and area is not None:
            after = Pooled(before.levels, before.area * area)
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
        )
        self.neurons[name] = self.neurons[name] + found if name in self.neurons else found


def _draws(network: nn.Module, weights: Weights | None) -> int:
    """K of weights that have a draw axis more than the network's own."""
    own = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    drawn = [w.shape[0] for n, w in (weights or {}).items() if w.ndim > own[n].ndim]
    return max(drawn, default=1)


def _first(args: tuple, kwargs: dict) -> Tensor:
    """A layer's input, given by position or by name."""
    return args[0] if args else next(iter(kwargs.values()))


def _has_state(module: nn.Module) -> bool:
    return "state" in inspect.signature(module.forward).parameters


def _area(module: nn.Module, x: Tensor, out: Tensor) -> int | None:
    """Cells of an average, where every average is over equally many; else None."""
    if isinstance(module, nn.AdaptiveAvgPool2d):
        sides = list(zip(x.shape[-2:], out.shape[-2:], strict=True))
        return (
            None
            if any(a % b for a, b in sides)
            else sides[0][0] * sides[1][0] // (sides[0][1] * sides[1][1])
        )
    kernel = module.kernel_size
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    padded = module.padding not in (0, (0, 0)) and not module.count_include_pad
    if module.divisor_override is not None:
        return module.divisor_override
    return None if padded or module.ceil_mode else height * width


def _require_countable(network: nn.Module) -> None:
    """Refuse weights that no hook would see: a cost that is left out looks like none."""
    unknown = []
    for name, module in network.named_modules():
        counted = isinstance(module, (*SYNAPSES, *_NORMS)) or "parametrizations" in name.split(".")
        own = [] if counted else list(module.parameters(recurse=False))
        # One value a channel or a layer (thresholds, leaks, scales) is no synapse.
        if any(sum(side > 1 for side in p.shape) > 1 for p in own):
            unknown.append(f"{name or 'the network itself'} ({type(module).__name__})")
    if unknown:
        raise ValueError(
            f"cannot count the weights of {', '.join(unknown)}; counted are Linear and Conv2d of "
            "torch.nn and bayesnn_spike.nn: write the layer with these"
        )
