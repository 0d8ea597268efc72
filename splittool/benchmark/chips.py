"""Public figures of devices, each with its source."""

from dataclasses import dataclass

from splittool.reports import AssumptionRecord


@dataclass(frozen=True)
class Chip:
    """Public figures of a device; rates per second, of FP16."""

    name: str
    engine_ops: float
    shave_ops: float
    shaves: int
    ddr_bytes: float
    link_bytes: float
    sources: tuple[AssumptionRecord, ...]


# A SHAVE is a 128-bit vector processor: 8 FP16 multiply-adds a cycle.
_SHAVE_HZ = 700e6
CHIPS = {
    "myriad-x": Chip(
        name="Myriad X",
        engine_ops=1e12,
        shave_ops=8 * 2 * _SHAVE_HZ,
        shaves=16,
        ddr_bytes=12.8e9,
        link_bytes=500e6,
        sources=(
            AssumptionRecord(
                "neural compute engine, operations per second",
                1e12,
                "Intel, 2017: 'over 1 TOPS' (anandtech.com/show/11771)",
            ),
            AssumptionRecord(
                "one SHAVE, operations per second",
                8 * 2 * _SHAVE_HZ,
                "128-bit VLIW (anandtech.com/show/11771), taken as 8 FP16 multiply-adds at 700 MHz",
            ),
            AssumptionRecord(
                "DDR, bytes per second",
                12.8e9,
                "in-package LPDDR4 of the MA2485, taken as 32 bits at 3200 MT/s (JEDEC JESD209-4)",
            ),
            AssumptionRecord(
                "USB, bytes per second", 500e6, "USB 3.1 Gen 1: 5 Gbit/s, 8 of 10 bits are data"
            ),
        ),
    )
}
