"""From the user's module to a plan: torch.fx sees what `forward` does, and every call is read.

Oracle: tests/convert/test_trace.py.
"""

import operator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from bayesnn_spike.convert.check import (
    copied,
    first_line,
    require_ann,
    require_images,
    weight_of,
)
from bayesnn_spike.convert.forward import activations
from bayesnn_spike.convert.plan import INPUT, Add, Flatten, Operation, Plan, Step, Synapse, Unread
from bayesnn_spike.convert.read import (
    HEAD,
    HEADS,
    LEAVES,
    NORMALISE,
    NORMALISING,
    advice_on_several,
    may_be_active,
    read_function,
    read_module,
)
from bayesnn_spike.convert.refuse import ConversionError, Reason, structure, tail
from bayesnn_spike.nn import Graph

_ADD = {operator.add, operator.iadd, torch.add, "add", "add_", "__add__", "__radd__"}
_IN_PLACE = {operator.iadd, "add_", "relu_"}
_TOLERANCE = 1e-4


@torch.no_grad()
def trace(ann: nn.Module, images: Tensor) -> Plan:
    """Read a network as a plan, or refuse with every reason.

    Args:
        ann: any module of one input whose `forward` torch.fx can follow; it is not changed.
        images: `[n, *in]`; some of them run through the network to see shapes.

    Raises:
        TypeError: no module, or one that is converted already.
        ConversionError: something cannot be converted or copied, or `forward` cannot be followed.
        ValueError: the images are not as `require_images` has them.
    """
    require_ann(ann)
    require_images(images, like=weight_of(ann), shape=None)
    module = copied(ann).eval()
    some = torch.cat([images[:2]] * 2)[:3]
    tracer = _Tracer()
    reader = _Reader(_graph_of(tracer, module), module, tracer.node_name_to_scope)
    reader.look(some)
    plan = reader.plan(tuple(images.shape[1:]))
    values = activations(plan, some)
    _require_same(values[plan.output], module(some.clone()))
    shaped = (replace(step, shape=tuple(values[step.name].shape[1:])) for step in plan.steps)
    return replace(plan, steps=tuple(shaped))


class _Tracer(fx.Tracer):
    """Follow the user's modules, stop at those of torch that are read as a whole."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, LEAVES) and _is_known(type(m)):
            return True
        return super().is_leaf_module(m, module_qualified_name)


def _is_known(kind: type) -> bool:
    """Whether a class computes what its kind says: no subclass with a `forward` of its own."""
    return any(kind.forward is leaf.forward for leaf in LEAVES)


def _graph_of(tracer: _Tracer, module: nn.Module) -> fx.Graph:
    try:
        return tracer.trace(module)
    except Exception as error:  # whatever the user's forward raises under a symbolic input
        what = f"torch.fx cannot follow it ({type(error).__name__}: {error})"
        advice = (
            "a forward that converts calls layers and adds: no branches, loops or len() on "
            "tensors, and sizes only in view and flatten"
        )
        raise ConversionError([Reason("forward", what, advice)]) from error


class _Reader(fx.Interpreter):
    """Runs the trace to see shapes, then reads each node."""

    def __init__(self, graph: fx.Graph, module: nn.Module, scopes: dict[str, tuple]) -> None:
        super().__init__(fx.GraphModule(module, graph))
        self.extra_traceback = False  # errors of its nodes are made reasons here
        self.scopes = scopes
        self.sizes: dict[str, torch.Size] = {}

    def look(self, images: Tensor) -> None:
        """Run everything once, for the shapes."""
        read = [n.name for n in self.module.graph.find_nodes(op="placeholder") if n.users]
        if len(read) != 1:
            what = f"forward reads {len(read)} inputs ({', '.join(read)})"
            advice = "a converted network reads one tensor"
            raise ConversionError([Reason("forward", what, advice)])
        self.shape = tuple(images.shape[1:])
        self.run(images.clone())

    def run_node(self, n: fx.Node) -> Any:
        """Run one node and remember the shape of what it gives."""
        try:
            result = super().run_node(n)
        except Exception as error:  # whatever the user's layers raise on these images
            where, _ = self._where(n)
            shape = ", ".join(map(str, ("n", *self.shape)))
            what = f"fails on images [{shape}] ({type(error).__name__}: {first_line(error)})"
            advice = "give images of the shape that the network takes, [n, N] or [n, C, H, W]"
            raise ConversionError([Reason(where, what, advice)]) from error
        if isinstance(result, Tensor):
            self.sizes[n.name] = result.shape
        return result

    def plan(self, shape: tuple[int, ...]) -> Plan:
        """Read all nodes; raise ConversionError with every reason."""
        self.steps: list[Step] = []
        self.reasons: list[Reason] = []
        self.place: dict[str, str] = {}
        self.taken: set[str] = {*dir(Graph), "training", INPUT}
        self.shared: set[str] = set()
        self.raw = {INPUT}  # the images, flattened or normalised at most
        self.unread: dict[str, int] = {}
        for node in self.module.graph.nodes:
            self._read(node)
        plan = Plan(tuple(self.steps), self.output, shape)
        if self.output != INPUT:
            plan = _reachable(plan)
        for step in tail(plan):
            if isinstance(step.operation, Unread) and step.operation.name in HEADS:
                place = self.unread[step.name]
                self.reasons[place] = replace(self.reasons[place], advice=HEAD)
        reasons = self.reasons + structure(plan)
        if reasons:
            raise ConversionError(reasons)
        return plan

    def _read(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            if node.users:
                self.place[node.name] = INPUT
        elif node.op == "output":
            result = node.args[0]
            if not isinstance(result, fx.Node) or result.name not in self.sizes:
                self.output = INPUT
                self._refuse("forward", "does not return one tensor", "return the logits only")
            else:
                self.output = self.place.get(result.name, INPUT)
        elif node.name in self.sizes and self._tensors(node):
            self._read_call(node)
        elif node.name in self.sizes and node.users and node.op != "get_attr":
            what = "a tensor that does not come from the input"
            self._refuse(node.name, what, "put constants into a layer")

    def _read_call(self, node: fx.Node) -> None:
        sources = self._tensors(node)
        place = self.place[sources[0].name]
        where, name = self._where(node)
        if node.target in _IN_PLACE or node.kwargs.get("inplace") or self._is_inplace(node):
            others = [user.name for user in sources[0].users if user is not node]
            if others:
                what = f"changes a value in place that {', '.join(others)} reads as well"
                self._refuse(where, what, "take the operation that returns a new tensor")
        if node.op != "call_module" and node.target in _ADD:
            self._read_sum(node, where)
            return
        if len(sources) > 1:
            found = Reason(where, f"{name} of several tensors", advice_on_several(name))
            self._unread(node, found, name)
            return
        sizes = (self.sizes[sources[0].name], self.sizes[node.name])
        module = self.module.get_submodule(node.target) if node.op == "call_module" else None
        if isinstance(module, nn.Flatten):
            found = read_function("flatten", (), {}, sizes, where)
        elif isinstance(module, nn.Linear) and len(sizes[0]) != 2:
            what = f"a linear layer on features of shape {tuple(sizes[0][1:])}"
            found = Reason(where, what, "flatten them before it")
        elif module is not None:
            found = read_module(module, where)
        else:
            kwargs = {k: v for k, v in node.kwargs.items() if k not in ("input", "inplace")}
            found = read_function(name, node.args[1:], kwargs, sizes, where)
        if isinstance(found, Reason):
            self._unread(node, found, name if module is None else type(module).__name__)
            return
        if node.op == "call_module" and any(isinstance(o, Synapse) for o in found):
            if node.target in self.shared:
                advice = "use a layer once: two uses have different input scales"
                self._refuse(where, "weights that are used twice", advice)
            self.shared.add(node.target)
        for operation in found:
            place = self._append(where, operation, (place,))
        self.place[node.name] = place

    def _read_sum(self, node: fx.Node, where: str) -> None:
        named = {k: v for k, v in node.kwargs.items() if k in ("input", "other")}
        given = [*node.args, *named.values()]
        terms = [a for a in given if isinstance(a, fx.Node) and a.name in self.place]
        if len(terms) != 2 or len(named) < len(node.kwargs):
            found = Reason(where, "adds something else than two tensors", "put it into a layer")
            self._unread(node, found, "add")
            return
        sizes = {self.sizes[term.name] for term in terms}
        if len(sizes) > 1:
            self._refuse(where, f"adds tensors of shapes {sorted(map(tuple, sizes))}", "broadcast")
        inputs = tuple(self.place[term.name] for term in terms)
        self.place[node.name] = self._append(where, Add(), inputs)

    def _unread(self, node: fx.Node, reason: Reason, name: str) -> None:
        """Put a step in the place of what is refused, so that what follows is read as well."""
        inputs = tuple(self.place[source.name] for source in self._tensors(node))
        key = name.lower().replace("_", "")
        if key in NORMALISING and self.raw.issuperset(inputs):
            reason = replace(reason, advice=NORMALISE)
        place = self._append(reason.where, Unread(key, may_be_active(name)), inputs)
        self.place[node.name] = place
        self.unread[place] = len(self.reasons)
        self.reasons.append(reason)

    def _where(self, node: fx.Node) -> tuple[str, str]:
        """What a call is called in errors, and its function or module path."""
        name = node.target if isinstance(node.target, str) else node.target.__name__
        return name if node.op == "call_module" else f"{self._scope(node)}{name}()", name

    def _append(self, where: str, operation: Operation, inputs: tuple[str, ...]) -> str:
        """Add a step and return its name."""
        name = wanted = where.removesuffix("()").replace(".", "_")
        count = 1
        while name in self.taken:
            name, count = f"{wanted}_{count}", count + 1
        self.taken.add(name)
        normalised = isinstance(operation, Unread) and operation.name in NORMALISING
        if self.raw.issuperset(inputs) and (normalised or isinstance(operation, Flatten)):
            self.raw.add(name)
        where = where if count == 1 else f"{where} (call {count})"
        # The shape is set when the plan runs: one node can make two steps.
        self.steps.append(Step(name, where, operation, inputs, ()))
        return name

    def _scope(self, node: fx.Node) -> str:
        """The path of the module whose `forward` makes a call, with a dot behind it."""
        path = self.scopes.get(node.name, ("",))[0]
        return f"{path}." if path else ""

    def _tensors(self, node: fx.Node) -> list[fx.Node]:
        """The nodes a node reads that come from the input and are tensors."""
        return [read for read in node.all_input_nodes if read.name in self.place]

    def _is_inplace(self, node: fx.Node) -> bool:
        if node.op != "call_module":
            return False
        return bool(getattr(self.module.get_submodule(node.target), "inplace", False))

    def _refuse(self, where: str, what: str, advice: str) -> None:
        self.reasons.append(Reason(where, what, advice))


def _reachable(plan: Plan) -> Plan:
    """The plan without steps that nothing reads."""
    wanted = {step.name for step in plan.segment(plan.output, set())}
    return replace(plan, steps=tuple(step for step in plan.steps if step.name in wanted))


def _require_same(found: Tensor, expected: Tensor) -> None:
    """Raise ConversionError unless the plan computes what the module does."""
    error = float((found - expected).abs().max())
    if not error <= _TOLERANCE * (1 + float(expected.abs().max())):
        what = f"the trace computes something else than the module, off by {error:.3g}"
        advice = "a forward hook, or a forward that does not follow its input, cannot be converted"
        raise ConversionError([Reason("forward", what, advice)])
