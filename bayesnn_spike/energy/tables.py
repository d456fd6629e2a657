"""What an operation costs: tables of energies as values, each with its source.

All are of arithmetic in a 45 nm process at 0.9 V. Arithmetic is the small part of a real chip:
reading an operand from SRAM or DRAM costs 10 to 1,000 times as much (`Memory`), moving spikes,
control and leakage are in no table. So differences between networks count, not joules.
Oracle: tests/energy/test_tables.py.
"""

from dataclasses import dataclass, replace
from typing import final

from bayesnn_spike.checks import require_positive

_HOROWITZ = "Horowitz, Computing's energy problem, ISSCC 2014 (45 nm, 0.9 V)"


@final
@dataclass(frozen=True)
class Adder:
    """An integer adder: what a weight of -1 or +1 needs, which adds or subtracts.

    Attributes:
        bits: width of the accumulator. Sums of n inputs of -1, 0, 1 need log2(n + 1) + 1.
        pj: energy of one addition.

    Raises:
        ValueError: a value that is not positive.
    """

    bits: int
    pj: float

    def __post_init__(self) -> None:
        require_positive(self.bits, "bits")
        require_positive(self.pj, "pj")

    def holds(self, fan_in: int) -> bool:
        """Whether a sum of so many -1 and +1 cannot overflow."""
        return fan_in <= 2 ** (self.bits - 1) - 1


INT8_ADD = Adder(8, 0.03)
# Not in the talk's own table; as tabulated after it in Sze et al., Proc. IEEE 105 (2017).
INT16_ADD = Adder(16, 0.05)
INT32_ADD = Adder(32, 0.1)


@final
@dataclass(frozen=True)
class CostTable:
    """Energies of one number format.

    Attributes:
        name: of the format.
        mac_pj: multiply-accumulate, in picojoules.
        ac_pj: accumulate (addition), in picojoules.
        source: where the numbers are from.
        sign_add: what an accumulate costs where the weights are -1 and +1; None: `ac_pj`, and
            their multiplications by analog inputs are MACs.

    Raises:
        ValueError: energies that are not positive, or a MAC that costs less than its addition.
    """

    name: str
    mac_pj: float
    ac_pj: float
    source: str
    sign_add: Adder | None = None

    def __post_init__(self) -> None:
        require_positive(self.ac_pj, "ac_pj")
        if not self.mac_pj >= self.ac_pj:
            raise ValueError(f"a MAC of {self.mac_pj} pJ costs less than its AC, {self.ac_pj} pJ")

    @property
    def multiply_pj(self) -> float:
        """A multiplication: the MAC without its addition."""
        return self.mac_pj - self.ac_pj

    def with_signs(self, adder: Adder) -> "CostTable":
        """The same table for networks whose weights are -1 and +1: they add and subtract."""
        return replace(self, sign_add=adder)


FP32 = CostTable("fp32, 45 nm", 4.6, 0.9, f"{_HOROWITZ}: 3.7 + 0.9 pJ")
FP16 = CostTable("fp16, 45 nm", 1.5, 0.4, f"{_HOROWITZ}: 1.1 + 0.4 pJ")
INT32 = CostTable("int32, 45 nm", 3.2, 0.1, f"{_HOROWITZ}: 3.1 + 0.1 pJ")
INT8 = CostTable("int8, 45 nm", 0.23, 0.03, f"{_HOROWITZ}: 0.2 + 0.03 pJ, int8 accumulator")
