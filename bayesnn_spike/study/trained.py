"""A cell's trained network, asked as the cell's settings say: in which modes, with which pooling.

Oracle: tests/study/test_cell.py (the stored predictions are those of the artifact).
"""

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from bayesnn_spike.events.datasets import SpikeDataset
from bayesnn_spike.events.splits import Split
from bayesnn_spike.nn import has_dropout
from bayesnn_spike.posterior import AbstractPosterior, Bernoulli, Empirical, Gaussian
from bayesnn_spike.predict import Committee, MCDropout, Mode, Predictive, predict
from bayesnn_spike.predict.how import How
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.build import POOLINGS
from bayesnn_spike.study.record import Predictions, Scored


@final
@dataclass(frozen=True, eq=False)
class Trained:
    """A network, its posterior, and how a cell asks them.

    Attributes:
        network: of the cell.
        posterior: what was learned.
        settings: of the cell.
        stream: of the committee's draws.
        batch_size: examples at a time; changes no result.
    """

    network: nn.Module
    posterior: AbstractPosterior
    settings: dict[str, Any]
    stream: Stream
    batch_size: int = 256

    def modes(self) -> dict[str, How]:
        """Return the modes in which the posterior is asked: one network, several, or both."""
        if isinstance(self.posterior, Empirical):
            return {"committee": Committee(self.posterior.members)}
        if isinstance(self.posterior, Bernoulli | Gaussian):
            return {"mode": Mode(), "committee": Committee(self.settings["predict"]["draws"])}
        if has_dropout(self.network):
            draws = self.settings["predict"]["draws"]
            return {"mode": Mode(), "committee": MCDropout(draws)}
        return {"mode": Mode()}

    def answers(self, spikes: Tensor) -> dict[str, Predictive]:
        """Predict `spikes [T, N, *in]`, in every mode."""
        return {
            mode: predict(
                self.network,
                self.posterior,
                spikes,
                stream=self.stream,
                how=how,
                pooling=POOLINGS[self.settings["predict"]["pooling"]],
                burn_in=self.settings["credit"]["burn_in"],
                batch_size=self.batch_size,
            )
            for mode, how in self.modes().items()
        }

    def score(self, data: SpikeDataset, split: Split) -> Scored:
        """Predict the examples of one split and put the labels beside."""
        rows = torch.tensor(split.indices)
        found = self.answers(data.spikes[rows].transpose(0, 1))
        predictions = {
            mode: Predictions(
                answer.probabilities.numpy(),
                answer.total().numpy(),
                answer.aleatoric().numpy(),
                answer.epistemic().numpy(),
            )
            for mode, answer in found.items()
        }
        return Scored(split.indices, data.labels[rows].numpy(), predictions)
