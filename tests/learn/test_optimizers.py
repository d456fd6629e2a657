"""learn/optimizers: against torch.optim, and as pure functions."""

import pytest
import torch

from bayesnn_spike.learn.optimizers import (
    Adam,
    AmsGrad,
    Decayed,
    HeavyBall,
    Momentum,
    Sgd,
    clip_norm,
)
from bayesnn_spike.learn.schedule import Cosine
from bayesnn_spike.rng import Stream

SHAPES = {"a": (3, 4), "b": (5,)}


def draw(generator: torch.Generator) -> dict[str, torch.Tensor]:
    return {n: torch.randn(s, generator=generator, dtype=torch.float64) for n, s in SHAPES.items()}


def run(optimizer, steps: int = 25) -> list[dict[str, torch.Tensor]]:
    generator = Stream(0).generator()
    params = draw(generator)
    state, path = optimizer.init(params), []
    for _ in range(steps):
        params, state = optimizer.step(params, draw(generator), state)
        path.append(params)
    return path


def run_torch(build, schedule=None, steps: int = 25) -> list[dict[str, torch.Tensor]]:
    generator = Stream(0).generator()
    params = {n: p.requires_grad_() for n, p in draw(generator).items()}
    optimizer, path = build(list(params.values())), []
    for step in range(steps):
        if schedule:
            optimizer.param_groups[0]["lr"] = schedule(step)
        for name, grad in draw(generator).items():
            params[name].grad = grad
        optimizer.step()
        path.append({n: p.detach().clone() for n, p in params.items()})
    return path


COSINE = Cosine(0.3, 20)
EACH = [
    *(Sgd(0.1), Momentum(0.1), Adam(0.1), HeavyBall(0.1), AmsGrad(0.1)),
    *(Decayed(Adam(0.1), 0.2), Decayed(HeavyBall(0.1), 0.2, decoupled=True)),
]
PAIRS = {
    "sgd": (Sgd(0.3), lambda p: torch.optim.SGD(p, lr=0.3), None),
    "sgd cosine": (Sgd(COSINE), lambda p: torch.optim.SGD(p, lr=0.3), COSINE),
    "adam": (Adam(0.1), lambda p: torch.optim.Adam(p, lr=0.1), None),
    "adam with options": (
        Adam(0.1, 0.5, 0.9, 1e-3),
        lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.5, 0.9), eps=1e-3),
        None,
    ),
    "adam cosine": (Adam(COSINE), lambda p: torch.optim.Adam(p, lr=0.3), COSINE),
    "heavy ball": (
        HeavyBall(COSINE, 0.8),
        lambda p: torch.optim.SGD(p, lr=0.3, momentum=0.8),
        COSINE,
    ),
    "nesterov and decay": (
        Decayed(HeavyBall(0.1, 0.9, nesterov=True), 0.05),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05),
        None,
    ),
    "amsgrad": (
        AmsGrad(0.1, 0.5, 0.6, 1e-3),
        lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.5, 0.6), eps=1e-3, amsgrad=True),
        None,
    ),
    "amsgrad and decay": (
        Decayed(AmsGrad(0.1), 0.3),
        lambda p: torch.optim.Adam(p, lr=0.1, amsgrad=True, weight_decay=0.3),
        None,
    ),
    "adam and decay": (
        Decayed(Adam(COSINE), 0.3),
        lambda p: torch.optim.Adam(p, lr=0.3, weight_decay=0.3),
        COSINE,
    ),
    "adamw": (
        Decayed(Adam(COSINE), 0.3, decoupled=True),
        lambda p: torch.optim.AdamW(p, lr=0.3, weight_decay=0.3),
        COSINE,
    ),
    "adamw with amsgrad": (
        Decayed(AmsGrad(0.1), 0.3, decoupled=True),
        lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.3, amsgrad=True),
        None,
    ),
}


@pytest.mark.parametrize("case", PAIRS)
def test_every_step_is_that_of_torch(case: str) -> None:
    ours, theirs, schedule = PAIRS[case]
    for one, two in zip(run(ours), run_torch(theirs, schedule), strict=True):
        for name in SHAPES:
            torch.testing.assert_close(one[name], two[name], rtol=1e-10, atol=1e-12)


def test_momentum_is_the_published_step() -> None:
    """m <- b m + (1 - b) g, x <- x - lr m / (1 - b^t)."""
    generator = Stream(0).generator()
    x, m = draw(generator), {n: torch.zeros(s, dtype=torch.float64) for n, s in SHAPES.items()}
    for t, found in enumerate(run(Momentum(0.2, 0.9)), start=1):
        g = draw(generator)
        for n in SHAPES:
            m[n] = 0.9 * m[n] + 0.1 * g[n]
            x[n] = x[n] - 0.2 * m[n] / (1 - 0.9**t)
            torch.testing.assert_close(found[n], x[n])


def test_momentum_without_memory_is_sgd() -> None:
    for one, two in zip(run(Momentum(0.2, 0.0)), run(Sgd(0.2)), strict=True):
        assert all(torch.equal(one[n], two[n]) for n in SHAPES)


@pytest.mark.parametrize("optimizer", EACH)
def test_a_step_changes_none_of_its_arguments(optimizer) -> None:
    generator = Stream(0).generator()
    params, grads = draw(generator), draw(generator)
    state = optimizer.init(params)
    for _ in range(2):  # the second step meets a state that is not zero
        versions = {n: p._version for n, p in params.items()}
        before = (
            {n: p.clone() for n, p in params.items()},
            [{n: v.clone() for n, v in part.items()} for part in state[1:]],
        )
        moved, after = optimizer.step(params, grads, state)
        again, _ = optimizer.step(params, grads, state)
        for n in SHAPES:
            assert params[n]._version == versions[n]
            assert torch.equal(params[n], before[0][n])
            assert torch.equal(moved[n], again[n])
            assert moved[n].data_ptr() != params[n].data_ptr()
            for part, old in zip(state[1:], before[1], strict=True):
                assert torch.equal(part[n], old[n])
        assert int(after.count) == int(state.count) + 1
        params, state = moved, after


@pytest.mark.parametrize("optimizer", EACH)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_is_kept(optimizer, dtype: torch.dtype) -> None:
    params = {"a": torch.ones(2, dtype=dtype)}
    moved, state = optimizer.step(params, params, optimizer.init(params))
    assert moved["a"].dtype == dtype
    assert all(v.dtype == dtype for part in state[1:] for v in part.values())
    assert state.count.dtype == torch.int64


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Sgd(0.0), "step size must be positive, got 0.0"),
        (lambda: Momentum(-1.0), "step size must be positive"),
        (lambda: Adam(float("nan")), "step size must be positive"),
        (lambda: Momentum(0.1, 1.0), r"Momentum.beta must lie in \[0, 1\)"),
        (lambda: Adam(0.1, beta1=-0.1), r"Adam.beta1 must lie in \[0, 1\)"),
        (lambda: Adam(0.1, beta2=1.0), r"Adam.beta2 must lie in \[0, 1\)"),
        (lambda: Adam(0.1, eps=0.0), "Adam.eps must be positive"),
        (lambda: HeavyBall(0.0), "step size must be positive"),
        (lambda: HeavyBall(0.1, 1.0), r"HeavyBall.beta must lie in \[0, 1\)"),
        (lambda: AmsGrad(0.1, beta2=1.0), r"AmsGrad.beta2 must lie in \[0, 1\)"),
        (lambda: AmsGrad(0.1, eps=0.0), "AmsGrad.eps must be positive"),
        (lambda: Decayed(Adam(0.1), 0.0), "Decayed.decay must be positive"),
    ],
)
def test_wrong_options_are_refused(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("largest", [1e-3, 1.0, 4.0, 1e3])
def test_clipping_is_that_of_torch_draw_by_draw(largest: float) -> None:
    generator = Stream(1).generator()
    grads = {
        n: torch.randn(2, *s, generator=generator) * torch.tensor([1.0, 5.0]).view(2, *[1] * len(s))
        for n, s in {**SHAPES, "c": ()}.items()
    }
    before = {n: g.clone() for n, g in grads.items()}
    found = clip_norm(grads, largest)
    for draw in range(2):
        params = [torch.zeros_like(g[draw], requires_grad=True) for g in grads.values()]
        for param, grad in zip(params, grads.values(), strict=True):
            param.grad = grad[draw].clone()
        torch.nn.utils.clip_grad_norm_(params, largest)
        for param, clipped in zip(params, found.values(), strict=True):
            torch.testing.assert_close(clipped[draw], param.grad)
    assert all(torch.equal(grads[n], g) for n, g in before.items())


def test_a_gradient_of_zero_stays_zero() -> None:
    assert clip_norm({"a": torch.zeros(1, 3)}, 1.0)["a"].tolist() == [[0, 0, 0]]
