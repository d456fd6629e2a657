"""A stand-in with the signatures and the traps of arviz 1.3.0 with arviz-stats 1.3.3.

That release needs Python 3.12. The adapter was run by hand with it, and with 1.0, 1.1 and 1.2.
"""

import sys
import types
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas
import pytest
import xarray


@dataclass(kw_only=True)
class Fields:
    """What all of them hold."""

    elpd: float
    se: float
    p: float
    n_samples: int
    n_data_points: int
    scale: str
    warning: bool
    good_k: float
    elpd_i: xarray.DataArray = None
    pareto_k: xarray.DataArray = None


@dataclass(kw_only=True)
class BareElpd(Fields):
    """`arviz_stats.utils.ELPDData` of 1.3: no `kind` to be given."""

    _kind: ClassVar[str | None] = None

    @property
    def kind(self) -> str | None:
        return self._kind


@dataclass(kw_only=True)
class LooElpd(BareElpd):
    """`arviz_stats.utils.ELPDDataLOO` of 1.3."""

    _kind: ClassVar[str | None] = "loo"


@dataclass(kw_only=True)
class EarlyElpd(Fields):
    """`arviz_stats.utils.ELPDData` of 1.0 to 1.2, where there is no `ELPDDataLOO`."""

    kind: str


def install(monkeypatch: pytest.MonkeyPatch) -> list:
    """Put the stand-in where `import arviz` finds it; what it is called with is in the list."""
    calls: list = []

    def rhat(
        data,
        sample_dims=None,
        group="posterior",
        var_names=None,
        filter_vars=None,
        coords=None,
        method="rank",
        chain_axis=0,
        draw_axis=1,
    ):
        calls.append(("rhat", data.shape, method))
        return np.array(1.25 if method == "folded" else 1.1)

    def ess(
        data,
        sample_dims=None,
        group="posterior",
        var_names=None,
        filter_vars=None,
        coords=None,
        method="bulk",
        relative=False,
        prob=None,
        chain_axis=0,
        draw_axis=1,
    ):
        if method == "tail" and prob is None:
            raise TypeError("_ess_tail() missing 1 required positional argument: 'prob'")
        calls.append(("ess", data.shape, method, prob))
        return np.array(77.0)

    def compare(compare_dict, method="stacking", var_name=None, reference=None, round_to="auto"):
        calls.append(("compare", compare_dict, method))
        ordered = sorted(compare_dict, key=lambda name: -compare_dict[name].elpd)
        best = compare_dict[ordered[0]].elpd
        rows = {}
        for rank, name in enumerate(ordered):
            one = compare_dict[name]
            shown = one.elpd if round_to == "none" else round(one.elpd)
            parts = {"elpd_diff": one.elpd - best, "dse": 0.0, "p_worse": 0.5, "diag_diff": ""}
            parts |= {"diag_elpd": "", "p": one.p, "elpd": shown, "se": one.se, "weight": 0.5}
            rows[name] = {"rank": rank} | parts
        return pandas.DataFrame.from_dict(rows, orient="index")

    def psislw(ary, r_eff=1, axis=-1):
        calls.append(("psislw", ary.shape, r_eff, axis))
        return ary, np.zeros(ary.shape[:-1])

    def migrated(name: str):
        if name == "InferenceData":
            return xarray.DataTree
        raise AttributeError(name)

    arviz, stats = types.ModuleType("arviz"), types.ModuleType("arviz_stats")
    base, utils = types.ModuleType("arviz_stats.base"), types.ModuleType("arviz_stats.utils")
    arviz.__version__, arviz.rhat, arviz.ess, arviz.compare = "1.3.0", rhat, ess, compare
    arviz.__getattr__ = migrated
    base.array_stats = types.SimpleNamespace(psislw=psislw)
    utils.ELPDData, utils.ELPDDataLOO = BareElpd, LooElpd
    stats.base, stats.utils = base, utils
    for module in (arviz, stats, base, utils):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return calls
