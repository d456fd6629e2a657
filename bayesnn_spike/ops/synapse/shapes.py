"""What shapes of spikes and weights go together, and the size of a map after a convolution."""

from torch import Tensor

from bayesnn_spike.checks import require_ndim
from bayesnn_spike.ops.draw.signs import Signs
from bayesnn_spike.ops.spikes import PackedSpikes


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """Return (value, value) of one number, a pair as it is.

    Raises:
        ValueError: neither an integer nor two of them.
    """
    both = value if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2 or not all(isinstance(v, int) for v in both):
        raise ValueError(f"stride and padding are an integer or a pair of them, got {value!r}")
    return both[0], both[1]


def map_after(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
) -> tuple[int, int]:
    """Return (H', W') after a convolution of a map of `size`.

    Raises:
        ValueError: the kernel is larger than the padded map, a stride is below 1, or a padding
            below 0.
    """
    if min(pair(stride)) < 1 or min(pair(padding)) < 0:
        raise ValueError(
            f"a stride is at least 1 and a padding at least 0, got {stride} and {padding}"
        )
    after = []
    for n, k, s, p in zip(size, kernel, pair(stride), pair(padding), strict=True):
        if n + 2 * p < k:
            raise ValueError(f"a kernel of {k} does not fit into {n} with padding {p}")
        after.append((n + 2 * p - k) // s + 1)
    return after[0], after[1]


def window_of(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
) -> tuple[int, ...]:
    """Return the ten sizes of a convolution, y before x: map, kernel, stride, padding, map after.

    Raises:
        ValueError: the kernel is larger than the padded map.
    """
    before, kernel = tuple(spikes.shape[-2:]), tuple(signs.size[-2:])
    after = map_after(before, kernel, stride, padding)
    return (*before, *kernel, *pair(stride), *pair(padding), *after)


def require_ndim_of(spikes: Tensor | PackedSpikes, axes: str, *allowed: int) -> None:
    """As `require_ndim`, for spikes of either form."""
    if isinstance(spikes, Tensor):
        require_ndim(spikes, "spikes", axes, *allowed)
    elif len(spikes.shape) not in allowed:
        raise ValueError(f"spikes must be {axes}, got shape {spikes.shape}")


def require_signs_fit(
    spikes: Tensor | PackedSpikes, signs: Signs, bias: Tensor | None, feature_dims: int
) -> None:
    """Raise ValueError unless K draws of signs and the spikes go together; name both shapes."""
    shapes = f"spikes {tuple(spikes.shape)} and signs {signs.shape}"
    if signs.draws < 1:
        raise ValueError(f"signs need at least one draw: {shapes}")
    if len(signs.size) != feature_dims + 1:
        raise ValueError(f"signs must have {feature_dims + 1} axes and K before them: {shapes}")
    outputs, wanted = signs.size[:2]
    inputs = spikes.shape[-feature_dims]
    if inputs != wanted:
        raise ValueError(f"the signs take {wanted} inputs, the spikes have {inputs}: {shapes}")
    if len(spikes.shape) == feature_dims + 3 and spikes.shape[0] != signs.draws:
        raise ValueError(
            f"the numbers of draws differ, {spikes.shape[0]} and {signs.draws}: {shapes}"
        )
    if bias is not None and tuple(bias.shape) not in ((outputs,), (signs.draws, outputs)):
        raise ValueError(
            f"the bias must be {(outputs,)} or {(signs.draws, outputs)}, got {tuple(bias.shape)}"
        )


def require_fit(spikes: Tensor, weight: Tensor, bias: Tensor | None, feature_dims: int) -> None:
    """Raise ValueError unless spikes, weight and bias go together; name their shapes."""
    shapes = f"spikes {tuple(spikes.shape)} and weight {tuple(weight.shape)}"
    outputs, wanted = weight.shape[-feature_dims - 1], weight.shape[-feature_dims]
    inputs = spikes.shape[-feature_dims]
    if wanted != inputs:
        raise ValueError(f"the weight takes {wanted} inputs, the spikes have {inputs}: {shapes}")
    draws = {"spikes": spikes.shape[0]} if spikes.ndim == feature_dims + 3 else {}
    if weight.ndim == feature_dims + 2:
        draws["weight"] = weight.shape[0]
    if bias is not None:
        shapes += f", bias {tuple(bias.shape)}"
        require_ndim(bias, "bias", "[*K, M]", 1, 2)
        if bias.shape[-1] != outputs:
            raise ValueError(f"{outputs} outputs need a bias each: {shapes}")
        if bias.ndim == 2:
            draws["bias"] = bias.shape[0]
    if len(set(draws.values()) - {1}) > 1:
        raise ValueError(f"the numbers of draws differ, {draws}: {shapes}")
