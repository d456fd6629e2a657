"""Train an ordinary network by a rule of this library: a function of state and mini-batch.

So `fit` runs it like a spiking one, with its order of batches and its checkpoints.
Oracle: tests/study/test_conversion_ann.py (against torch.optim).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from bayesnn_spike.learn import Info, Learner, LearnerState, learner
from bayesnn_spike.learn.credit import credit
from bayesnn_spike.learn.rules import Gradient
from bayesnn_spike.models import reseed
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch


def ann_learner(rule: Gradient, ann: nn.Module) -> Learner:
    """Compose a rule and a network without time; the loss is the cross-entropy.

    Args:
        rule: draws one network, as it is.
        ann: `forward(images [B, *in]) -> logits [B, C]`. Every update puts it in training mode and
            starts the masks of its dropout anew, from the state's stream; its weights stay.

    Returns:
        A learner whose batches are `Batch(images [B, *in], labels [B])`.

    Raises:
        ValueError: (at update) the loss is not finite.
    """
    network = _Stateless(ann)

    def update(state: LearnerState, batch: Batch) -> tuple[LearnerState, Info]:
        images, labels = batch
        stream = Stream(int(state.seed) % (1 << 64)).child(int(state.step))
        reseed(ann.train(), stream.child("dropout"))
        drawn = rule.draw(state.rule, stream.child(0))
        one = drawn._replace(weights={f"ann.{n}": w[0] for n, w in drawn.weights.items()})
        cost, _ = credit(network, _loss, one, images, labels)
        after = rule.step(state.rule, drawn, cost)
        return LearnerState(after, state.seed.clone(), state.step + 1), Info(cost.losses.mean())

    return learner(rule, ann, _loss)._replace(update=update)


class _Stateless(nn.Module):
    def __init__(self, ann: nn.Module) -> None:
        super().__init__()
        self.ann = ann

    def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, None]:
        return self.ann(x), state


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels)[None]
