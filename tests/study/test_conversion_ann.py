"""study/conversion_ann: an ordinary network under the library's rules."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.optimizers import HeavyBall, Sgd
from bayesnn_spike.learn.rules import Gradient
from bayesnn_spike.models import reseed
from bayesnn_spike.models.ann import StreamDropout
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.conversion_ann import ann_learner
from bayesnn_spike.types import Batch


def network(rate: float = 0.0) -> nn.Sequential:
    ann = nn.Sequential(
        nn.Conv2d(1, 3, 3, bias=False),
        nn.ReLU(),
        StreamDropout(rate, Stream(9)),
        nn.Flatten(),
        nn.Linear(12, 2, bias=False),
    )
    with torch.no_grad():
        for parameter in ann.parameters():
            shape = parameter.shape
            parameter.copy_(torch.randn(shape, generator=Stream(1).child(*shape).generator()))
    return ann


def batch(number: int) -> Batch:
    images = torch.randn(5, 1, 4, 4, generator=Stream(2).child(number).generator())
    return Batch(images, torch.tensor([0, 1, 1, 0, 1]))


def test_it_steps_as_torch_does() -> None:
    ann, twin = network(), network()
    learn = ann_learner(Gradient(HeavyBall(0.1), Given()), ann)
    state = learn.init(Stream(3))
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9)
    for number in range(4):
        images, labels = batch(number)
        state, info = learn.update(state, batch(number))
        optimizer.zero_grad()
        loss = cross_entropy(twin(images), labels)
        loss.backward()
        optimizer.step()
        torch.testing.assert_close(info.loss, loss.detach())
    found = learn.posterior(state).weights
    for name, parameter in twin.named_parameters():
        torch.testing.assert_close(found[name], parameter.detach())
    first = network().state_dict()
    assert all(torch.equal(first[n], p) for n, p in ann.named_parameters())
    assert int(state.step) == 4


def test_masks_are_those_of_the_state_and_change_with_every_update() -> None:
    ann = network(0.5)
    learn = ann_learner(Gradient(Sgd(0.1), Given()), ann)
    state = learn.init(Stream(3))
    after, info = learn.update(state, batch(0))
    again, same = learn.update(state, batch(0))
    assert torch.equal(info.loss, same.loss)
    assert torch.equal(after.rule.latents["0.weight"], again.rule.latents["0.weight"])
    other = learn.update(state._replace(step=state.step + 1), batch(0))[1]
    assert not torch.equal(other.loss, info.loss)
    reseed(ann.train(), Stream(int(state.seed) % (1 << 64)).child(0).child("dropout"))
    images, labels = batch(0)
    torch.testing.assert_close(cross_entropy(ann(images), labels).detach(), info.loss)


def test_a_loss_that_is_not_finite_is_refused() -> None:
    learn = ann_learner(Gradient(Sgd(0.1), Given()), network())
    images, labels = batch(0)
    with pytest.raises(ValueError, match="the loss is not finite"):
        learn.update(learn.init(Stream(0)), Batch(images * float("inf"), labels))
