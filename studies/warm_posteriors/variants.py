"""What is changed against the network of studies/rules_on_nmnist, one thing at a time."""

from dataclasses import dataclass

from hierarchy import Structure
from priors import BlockProbability, Prior, Urn
from structures import Blocks, LowRank, Smooth


@dataclass(frozen=True)
class Variant:
    """One way to train.

    Attributes:
        hidden: units of the hidden layer.
        pool: side of the blocks of pixels that share a weight; 1 is a weight a pixel.
        shift: largest shift of a training recording, in pixels.
        share: of the training recordings that is used.
        cold: share of the epochs that is first trained at tempering 0.001.
        prior: of the first layer; None is the fair coin.
        structure: of the first layer's logits, in place of a logit a weight.
        gain_out: gain of the readout.
        epochs: of training with all recordings; with a share of them, as many updates.
    """

    hidden: int = 256
    pool: int = 1
    shift: int = 1
    share: float = 1.0
    cold: float = 0.0
    prior: Prior | None = None
    structure: Structure | None = None
    gain_out: float = 8.0
    epochs: int = 40


LEARNED = BlockProbability(4)

VARIANTS = {
    "base": Variant(),
    "no shifts": Variant(shift=0),
    "half the data": Variant(share=0.5),
    "64 hidden": Variant(hidden=64),
    "16 hidden": Variant(hidden=16),
    "blocks of 2": Variant(pool=2),
    "blocks of 4": Variant(pool=4),
    "blocks of 4, 64 hidden": Variant(pool=4, hidden=64),
    "cold start": Variant(cold=0.5),
    "learned prior": Variant(prior=LEARNED),
    "learned prior, blocks of 2": Variant(prior=BlockProbability(2)),
    "learned prior, blocks of 8": Variant(prior=BlockProbability(8)),
    "learned prior, a map": Variant(prior=BlockProbability(34)),
    "learned prior, cold start": Variant(prior=LEARNED, cold=0.5),
    "learned prior, half the data": Variant(prior=LEARNED, share=0.5),
    "penalised block probability": Variant(prior=BlockProbability(4, 4.0)),
    "urn 1": Variant(prior=Urn(4, 1.0)),
    "urn 4": Variant(prior=Urn(4, 4.0)),
    "urn 16": Variant(prior=Urn(4, 16.0)),
    "urn 64": Variant(prior=Urn(4, 64.0)),
    "gaussian blocks .1": Variant(structure=Structure(Blocks(4, 0.1))),
    "gaussian blocks .3": Variant(structure=Structure(Blocks(4, 0.3))),
    "gaussian blocks 1": Variant(structure=Structure(Blocks(4, 1.0))),
    "smooth .3": Variant(structure=Structure(Smooth(8, 0.3))),
    "low rank 8": Variant(structure=Structure(LowRank(8, 0.5, 4), deviations=False)),
    "low rank 8, fair coins": Variant(
        structure=Structure(LowRank(8, 0.5, 4), hyper=False, deviations=False)
    ),
    "low rank 8 of pixels": Variant(structure=Structure(LowRank(8, 0.5), deviations=False)),
    "gain 2": Variant(gain_out=2.0),
    "gain 16": Variant(gain_out=16.0),
}
