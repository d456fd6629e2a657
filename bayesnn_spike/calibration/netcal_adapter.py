"""netcal's recalibration methods (histogram binning, beta, isotonic, ...) behind one function.

    from netcal.binning import HistogramBinning
    better = fit_netcal(HistogramBinning(bins=15), calib_probs, calib_labels, stream=stream)
    better(test_probs)

netcal clears Pyro's global parameter store in every `fit` and overwrites it in some
`transform`s; its defaults write TensorBoard folders and draw from the global random state. The
adapter keeps all of that away from the caller: the store is swapped for the time of the call,
TensorBoard is off, and the seed comes from a stream.

netcal is an optional dependency (extra `calibration`); Pyro comes with it.

Oracle: tests/calibration/test_netcal_adapter.py.
"""

import copy
import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch

from bayesnn_spike.calibration.inputs import Array, as_probabilities, checked
from bayesnn_spike.rng import Stream

if TYPE_CHECKING:
    from netcal import AbstractCalibration


def fit_netcal(
    method: "AbstractCalibration", probs: Array, labels: Array, *, stream: Stream
) -> "NetcalMap":
    """Fit a netcal method on probabilities and return the fitted map.

    Args:
        method: an unfitted netcal method; it is copied, never changed.
        probs: `[N, C]` probabilities of the calibration split.
        labels: `[N]` class indices.
        stream: source of the randomness of Bayesian methods.

    Raises:
        ValueError: a class has no example: netcal would guess at the number of classes.
    """
    values, targets = checked(probs, labels)
    absent = sorted(set(range(values.shape[1])) - set(targets.tolist()))
    if absent:
        raise ValueError(f"netcal needs an example of every class; classes {absent} have none")
    fitted = copy.deepcopy(method)
    options = _accepted(fitted.fit, tensorboard=False, random_state=_seed(stream, "fit"))
    with _own_globals():
        fitted.fit(values, targets, **options)
    return NetcalMap(fitted, classes=values.shape[1], stream=stream)


@final
class NetcalMap:
    """A fitted netcal method as a function of probabilities.

    Args:
        fitted: the method after `fit`.
        classes: number of classes it was fitted on.
        stream: source of the randomness of Bayesian methods.
    """

    def __init__(self, fitted: "AbstractCalibration", *, classes: int, stream: Stream) -> None:
        self._fitted = fitted
        self._classes = classes
        self._stream = stream

    def __call__(self, probs: Array) -> np.ndarray:
        """Return recalibrated probabilities `[N, C]` float64, rows summing to 1.

        Of a Bayesian method the mean over its posterior samples is returned.

        Raises:
            ValueError: another number of classes than at the fit, or a row to which the method
                assigns no probability at all.
        """
        values = as_probabilities(probs)
        if values.shape[1] != self._classes:
            raise ValueError(
                f"the method was fitted on {self._classes} classes, got {values.shape[1]}"
            )
        options = _accepted(self._fitted.transform, random_state=_seed(self._stream, "transform"))
        with _own_globals(), np.errstate(invalid="ignore"):
            mapped = np.asarray(self._fitted.transform(values, **options), dtype=np.float64)
        if mapped.ndim == (2 if self._classes == 2 else 3):
            mapped = mapped.mean(axis=0)  # the leading axis holds posterior samples
        if mapped.ndim == 1:
            mapped = np.stack([1 - mapped, mapped], axis=1)
        sums = mapped.sum(axis=1, keepdims=True)
        if not (np.isfinite(sums) & (sums > 0)).all():
            row = int(np.flatnonzero(~(np.isfinite(sums) & (sums > 0)))[0])
            raise ValueError(f"the method gives no probability to any class of example {row}")
        return mapped / sums


@contextmanager
def _own_globals() -> Iterator[None]:
    """Give netcal a Pyro parameter store and a random state of its own for one call."""
    import pyro

    rng = torch.random.fork_rng(devices=[])  # netcal restores it after a fit, not a transform
    with pyro.get_param_store().scope(), rng, warnings.catch_warnings():
        # netcal 1.4.0 calls the old name of to_event, which Pyro 1.9.2 warns of (2026-11).
        warnings.filterwarnings("ignore", "independent is deprecated")
        yield


def _accepted(function: Callable, **options: Any) -> dict[str, Any]:
    """Return those options that a method's signature names; netcal's methods differ."""
    names = inspect.signature(function).parameters
    return {name: value for name, value in options.items() if name in names}


def _seed(stream: Stream, purpose: str) -> int:
    return stream.child("netcal", purpose).seed % 2**32  # numpy's seeds are 32-bit
