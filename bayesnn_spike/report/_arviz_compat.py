"""The one file that imports ArviZ and xarray: releases 0.23 and 1.x behind one set of functions.

| | 0.23 | 1.x |
| --- | --- | --- |
| groups are held by | `arviz.InferenceData` | `xarray.DataTree` |
| smoothed weights | `arviz.psislw` | `arviz_stats.base.array_stats.psislw` |
| LOO for `compare` | a Series, `elpd_loo`, `loo_i` | a dataclass, `elpd`, `elpd_i` |
| ... is called | `ELPDData` | `ELPDData(kind="loo")`, from 1.3 `ELPDDataLOO` |
| `compare` | no rounding | rounds unless told not to; `elpd_diff` has the other sign |
| tail ESS | of the 5 % quantiles | wants them named |

Releases are told apart by their version: 1.x answers `arviz.InferenceData` with another class.

ArviZ 0.23 warns of 1.0 once a day and writes that day into the user's cache as it is imported. Here
the warning is dropped, the warning filters are the caller's again afterwards, and the file goes
into a folder that is deleted, so that a read-only home is no error.

Oracle: tests/report/test_arviz_compat.py (the 1.x side against a stand-in with the signatures of
1.3.0).
"""

import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any, final

import numpy as np

MISSING = (
    "{package} is not installed: InferenceData, R-hat, ESS and LOO need it. "
    "Install the extra: pip install 'bayesnn_spike[bayes]'"
)


class MissingArvizError(ImportError):
    """ArviZ, or what comes with it, is not installed."""


@final
@dataclass(frozen=True, eq=False)
class Group:
    """One group: variables by name as (dimensions, values), coordinates by dimension, a note."""

    variables: Mapping[str, tuple[tuple[str, ...], np.ndarray]]
    coords: Mapping[str, Any]
    note: str = ""


def tree(groups: Mapping[str, Group], attrs: Mapping[str, Any]) -> Any:
    """Return groups as InferenceData (0.23) or DataTree (1.x)."""
    arviz, xarray = _arviz(), _xarray()
    made = {}
    for name, group in groups.items():
        used = {d for dims, _ in group.variables.values() for d in dims}
        coords = {d: values for d, values in group.coords.items() if d in used}
        notes = dict(attrs) | ({"note": group.note} if group.note else {})
        made[name] = xarray.Dataset(dict(group.variables), coords=coords, attrs=notes)
    if _is_old(arviz):
        return arviz.InferenceData(**made)
    return xarray.DataTree.from_dict({f"/{name}": dataset for name, dataset in made.items()})


def r_hat(values: np.ndarray) -> float:
    """Return the rank-normalised split R-hat of `[chains, draws]`.

    It is the larger one of the bulk's and the tails' (of the folded ranks). The tails of a quantity
    with two values say nothing, and then the bulk's is the answer.
    """
    arviz = _arviz()
    with _silent():
        both = [float(arviz.rhat(values, method=method)) for method in ("z_scale", "folded")]
    return float(np.fmax(*both))


def ess(values: np.ndarray, *, method: str) -> float:
    """Return the effective sample size of `[chains, draws]`; method "bulk", "tail" or "mean".

    That of the tails is the lesser one of the 5 % and the 95 % quantile's.
    """
    options = {"prob": (0.05, 0.95)} if method == "tail" else {}
    with _silent():
        return float(_arviz().ess(values, method=method, **options))


def psis(log_weights: np.ndarray, *, relative_efficiency: float) -> tuple[np.ndarray, np.ndarray]:
    """Return smoothed log weights `[N, S]` that add up to 1, and Pareto k `[N]`.

    The weights of few binary networks repeat themselves. A tail of ties is no Pareto tail:
    smoothing it moves the estimate by more than its noise, k is anything, and ArviZ 0.23 may return
    NaN. Such a row keeps its raw weights, and its k is infinite.
    """
    arviz = _arviz()
    with _silent():
        if _is_old(arviz):
            smoothed, k = arviz.psislw(log_weights, reff=relative_efficiency)
        else:
            base = _arviz_stats("base")
            smoothed, k = base.array_stats.psislw(log_weights, r_eff=relative_efficiency, axis=-1)
    smoothed, k = np.asarray(smoothed), np.asarray(k)
    fitted = np.isfinite(k) & np.isfinite(smoothed).all(-1)
    fitted &= ~_tied(log_weights, relative_efficiency)
    smoothed = np.where(fitted[..., None], smoothed, log_weights)
    total = np.logaddexp.reduce(smoothed, axis=-1)
    return smoothed - total[..., None], np.where(fitted, k, np.inf)


def _tied(log_weights: np.ndarray, relative_efficiency: float) -> np.ndarray:
    """Whether more than half of a row's tail are repetitions, `[N, S] -> [N]`."""
    count = log_weights.shape[-1]
    tail = int(np.ceil(min(count / 5, 3 * (count / relative_efficiency) ** 0.5)))
    largest = np.sort(log_weights, axis=-1)[..., -tail:]
    steps = np.diff(largest, axis=-1) > 1e-9 * (1 + np.abs(largest[..., 1:]))
    return 1 + steps.sum(-1) < tail / 2


@final
@dataclass(frozen=True, eq=False)
class Elpd:
    """What ArviZ's `compare` wants to know of one LOO."""

    elpd: float
    se: float
    p: float
    pointwise: np.ndarray
    pareto_k: np.ndarray
    draws: int
    good_k: float
    warning: bool


def compare(found: Mapping[str, Elpd]) -> list[dict[str, Any]]:
    """Return ArviZ's comparison, best first: name, rank, elpd, p, weight, se, dse.

    Weights are those of stacking (Yao et al. 2018); dse is the standard error of the difference to
    the best.
    """
    arviz = _arviz()
    old = _is_old(arviz)
    handed = {n: _old_elpd(arviz, one) if old else _new_elpd(one) for n, one in found.items()}
    with _silent():
        table = arviz.compare(handed, method="stacking", **({} if old else {"round_to": "none"}))
    suffix = "_loo" if "elpd_loo" in table.columns else ""
    names = {"elpd": f"elpd{suffix}", "p": f"p{suffix}"}
    columns = ("rank", "elpd", "p", "weight", "se", "dse")
    return [
        {"name": name} | {column: float(row[names.get(column, column)]) for column in columns}
        for name, row in table.iterrows()
    ]


def _old_elpd(arviz: Any, one: Elpd) -> Any:
    array = _xarray().DataArray
    fields = {
        "elpd_loo": one.elpd,
        "se": one.se,
        "p_loo": one.p,
        "n_samples": one.draws,
        "n_data_points": len(one.pointwise),
        "warning": one.warning,
        "loo_i": array(one.pointwise, dims="example"),
        "pareto_k": array(one.pareto_k, dims="example"),
        "scale": "log",
        "good_k": one.good_k,
    }
    return arviz.ELPDData(data=list(fields.values()), index=list(fields))


def _new_elpd(one: Elpd) -> Any:
    array, utils = _xarray().DataArray, _arviz_stats("utils")
    if hasattr(utils, "ELPDDataLOO"):
        make = utils.ELPDDataLOO
    else:
        make = partial(utils.ELPDData, kind="loo")  # 1.0 to 1.2
    return make(
        elpd=one.elpd,
        se=one.se,
        p=one.p,
        n_samples=one.draws,
        n_data_points=len(one.pointwise),
        scale="log",
        warning=one.warning,
        good_k=one.good_k,
        elpd_i=array(one.pointwise, dims="example"),
        pareto_k=array(one.pareto_k, dims="example"),
    )


def _is_old(arviz: Any) -> bool:
    return arviz.__version__.startswith("0.")


def _arviz() -> Any:
    """Import ArviZ, the first time without its daily warning and the file that goes with it."""
    with _told("arviz"):
        if "arviz" in sys.modules:
            import arviz
        else:
            with _silent(), _own_cache():
                import arviz
        return arviz


def _xarray() -> Any:
    with _told("xarray"):
        import xarray

        return xarray


def _arviz_stats(part: str) -> Any:
    """Return `base` or `utils` of the package that ArviZ 1.x computes with."""
    with _told("arviz_stats"):
        from arviz_stats import base, utils

        return {"base": base, "utils": utils}[part]


@contextmanager
def _told(package: str) -> Iterator[None]:
    """Say which extra holds a package that is missing; anything else that is wrong goes on up."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise MissingArvizError(MISSING.format(package=package)) from error


@contextmanager
def _silent() -> Iterator[None]:
    """Drop warnings of what will change in packages below, and of divisions that are handled."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", FutureWarning)
        # pandas 3.1 announces what ArviZ 0.23 calls (2026-11).
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@contextmanager
def _own_cache() -> Iterator[None]:
    """Let an import that asks for the user's cache have a folder that is deleted."""
    try:
        import platformdirs
    except ModuleNotFoundError:
        yield
        return
    real = platformdirs.user_cache_dir
    with TemporaryDirectory() as folder:
        platformdirs.user_cache_dir = lambda *_args, **_options: folder
        try:
            yield
        finally:
            platformdirs.user_cache_dir = real
