"""What of a converted network is in no tensor, in its state_dict beside the tensors.

Gains of layers, first membranes that are one number, the order of a step: a state_dict of tensors
alone would load without them, and another network would answer. So a converted network's has one
key more, `form`: the description of `convert.describe` as bytes of JSON. When it is loaded, what
can be taken over is (gains, biases, first membranes), and what cannot be is refused.

Oracle: tests/convert/test_keep.py.
"""

import json
from typing import Any

import torch
from torch import Tensor, nn

from bayesnn_spike.convert.describe import describe
from bayesnn_spike.neurons import ThresholdNeuron
from bayesnn_spike.nn import Conv2d, Graph, Linear

FORM = "form"

# What is taken over, what torch compares by itself, and what no output depends on.
_TAKEN = {"scale", "bias", "v_init", "shape"}
_FREE = {"surrogate", "rate", "learn_threshold", "learn_leak"}


def keep_form(network: Graph) -> Graph:
    """Give a network the key `form` in its state_dict, and return it.

    Loading a state_dict then raises torch's RuntimeError with a sentence for every layer that
    computes something else than the one in the file, and for numbers of another precision. The
    network is then as it was.

    Args:
        network: as `convert` builds it; copies of it have the key as well.

    Oracle: tests/convert/test_keep.py.
    """
    network.register_state_dict_post_hook(_save)
    network.register_load_state_dict_pre_hook(_load)
    return network


def _save(
    network: Graph, state: dict[str, Tensor], prefix: str, local_metadata: dict[str, Any]
) -> None:
    del local_metadata
    text = json.dumps(describe(network), sort_keys=True)
    state[prefix + FORM] = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)


def _load(
    network: Graph,
    state: dict[str, Tensor],
    prefix: str,
    local_metadata: dict[str, Any],
    strict: bool,
    missing: list[str],
    unexpected: list[str],
    errors: list[str],
) -> None:
    del strict, unexpected
    form = state.pop(prefix + FORM, None)
    if form is None:
        missing.append(prefix + FORM)
        return
    try:
        saved = json.loads(bytes(form.cpu().tolist()))
    except ValueError as error:
        errors.append(f"{prefix}{FORM} is damaged: {error}.")
        _leave(network, state, prefix)
        return
    wrong = _differences(saved, describe(network))
    if not local_metadata.get("assign_to_params_buffers", False):
        wrong += _precision(network, state, prefix)
    if wrong:
        errors += wrong
        _leave(network, state, prefix)
        return
    for node in saved["nodes"]:
        _take(network, node)


def _leave(network: Graph, state: dict[str, Tensor], prefix: str) -> None:
    """Put the network's own numbers in the place of those to be loaded: nothing changes.

    torch copies what it finds before it raises, and names all that it does not find.
    """
    for key in [key for key in state if key.startswith(prefix)]:
        del state[key]
    own = network.state_dict(keep_vars=True)
    state.update({prefix + key: value for key, value in own.items() if key != FORM})


def _differences(saved: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """Sentences on what cannot be taken over."""
    for part in (saved, here):
        part["wiring"] = [(n["name"], n["kind"], n["inputs"]) for n in part["nodes"]]
    if [saved[key] for key in ("wiring", "output", "feature_dims")] != [
        here[key] for key in ("wiring", "output", "feature_dims")
    ]:
        names = [", ".join(n["name"] for n in part["nodes"]) for part in (saved, here)]
        return [
            f"the state is that of a network of other layers ({names[0]}) than this one's "
            f"({names[1]}): convert the same network first."
        ]
    found = []
    for one, other in zip(saved["nodes"], here["nodes"], strict=True):
        keys = (one.keys() | other.keys()) - _TAKEN - _FREE
        found += [
            f"{one['name']} has {key} {_say(one.get(key))} in the state and "
            f"{_say(other.get(key))} here: make the network with the options of then."
            for key in sorted(keys)
            if one.get(key) != other.get(key)
        ]
    return found


def _say(value: Any) -> str:
    if isinstance(value, dict):
        options = ", ".join(f"{k}={v}" for k, v in value.items() if k != "kind")
        return f"{value['kind']}({options})"
    return str(value)


def _precision(network: Graph, state: dict[str, Tensor], prefix: str) -> list[str]:
    own = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    for name, value in own.items():
        given = state.get(prefix + name)
        if given is not None and given.dtype != value.dtype:
            return [
                f"{name} is {given.dtype} in the state and {value.dtype} here, and rounding "
                f"changes spikes: bring the network to that precision first (.to({given.dtype}))."
            ]
    return []


def _take(network: Graph, node: dict[str, Any]) -> None:
    """Give a layer the gain of the saved one, and places for its bias and first membranes."""
    layer = network.get_submodule(node["name"])
    if isinstance(layer, Linear | Conv2d):
        layer.scale = node["scale"]
        if node["bias"] and layer.bias is None:
            layer.bias = nn.Parameter(layer.weight.new_zeros(len(layer.weight)))
        elif not node["bias"]:
            layer.bias = None
    elif isinstance(layer, ThresholdNeuron):
        set_first_membrane(layer, node["v_init"])


def set_first_membrane(neuron: ThresholdNeuron, v_init: float | list[int]) -> None:
    """Set the first membrane to a number, or make a place for numbers of a shape."""
    if "v_init" in neuron._buffers:
        del neuron.v_init
    else:
        del neuron.__dict__["v_init"]
    if isinstance(v_init, list):
        neuron.register_buffer("v_init", neuron.v_threshold.detach().new_zeros(v_init))
    else:
        neuron.v_init = float(v_init)
