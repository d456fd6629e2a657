"""What a run keeps: probabilities on the test images, one file a row, and weights."""

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from bayesnn_spike.io import atomic_write_bytes


@dataclass(frozen=True)
class Run:
    """One data set, one network, one seed.

    Attributes:
        out: folder of all runs.
        data: name of the data set.
        network: name of the network.
        seed: seed.
    """

    out: Path
    data: str
    network: str
    seed: int

    @property
    def folder(self) -> Path:
        """Where the files of this run lie."""
        return self.out / self.network / f"{self.data}-{self.seed}"

    @property
    def choice(self) -> Path:
        """The settings that held-out images chose for a data set and a network."""
        return self.out / self.network / f"{self.data}-choice.json"

    @property
    def binary_choice(self) -> Path:
        """The settings that held-out images chose for binary weights."""
        return self.out / self.network / f"{self.data}-binary-choice.json"

    @property
    def labels(self) -> Path:
        """The labels of a data set's test images."""
        return self.out / f"{self.data}-labels.npy"

    def _row(self, rule: str, steps: int) -> Path:
        return self.folder / f"{rule}-{steps}.npz"

    def has(self, rule: str, *steps: int) -> bool:
        """Return whether the rows of a rule are there."""
        return all(self._row(rule, t).exists() for t in steps)

    def keep(self, rule: str, steps: int, logits: Tensor, **facts: Any) -> None:
        """Keep the probabilities softmax(logits `[N, C]`) of a rule after some steps."""
        self.folder.mkdir(parents=True, exist_ok=True)
        held = io.BytesIO()
        probs = torch.softmax(logits.double(), -1).float().numpy()
        np.savez_compressed(held, probs=probs, facts=json.dumps(facts))
        atomic_write_bytes(self._row(rule, steps), held.getvalue())

    def weights(self, name: str) -> Path:
        """Where the weights of a network of this run lie."""
        return self.folder / f"{name}.safetensors"

    def keep_weights(self, name: str, network: nn.Module) -> None:
        """Keep the weights of a network."""
        held = {key: value.detach().contiguous() for key, value in network.state_dict().items()}
        self.folder.mkdir(parents=True, exist_ok=True)
        save_file(held, self.weights(name))

    def rows(self) -> dict[tuple[str, int], tuple[np.ndarray, dict[str, Any]]]:
        """Return probabilities `[N, C]` and facts by (rule, steps)."""
        found = {}
        for path in sorted(self.folder.glob("*.npz")):
            rule, _, steps = path.stem.rpartition("-")
            with np.load(path) as held:
                found[rule, int(steps)] = held["probs"], json.loads(str(held["facts"]))
        return found


def keep_labels(run: Run, labels: Tensor) -> None:
    """Keep the labels of a data set's test images beside its runs."""
    if not run.labels.exists():
        run.out.mkdir(parents=True, exist_ok=True)
        held = io.BytesIO()
        np.save(held, labels.numpy())
        atomic_write_bytes(run.labels, held.getvalue())


def say(line: str) -> None:
    """Print a line of progress at once."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
