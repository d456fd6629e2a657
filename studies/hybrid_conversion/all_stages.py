"""The stages of a run by name, in the order in which they can run."""

import binary
import converted
import quantised
import spiking
from stages import train_ann

STAGES = {
    "ann": train_ann,
    "conversion": converted.as_published,
    "tuned": converted.tuned,
    "choose": spiking.choose,
    "hybrid": spiking.stage("hybrid", "hybrid", "stdb"),
    "hybrid_linear": spiking.stage("hybrid", "hybrid_linear", "linear"),
    "scratch": spiking.stage("scratch", "scratch", "linear"),
    "scratch_stdb": spiking.stage("scratch", "scratch_stdb", "stdb"),
    "qcfs": quantised.qcfs,
    "binary": binary.binary,
}
