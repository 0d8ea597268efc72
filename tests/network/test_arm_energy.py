"""Energy of arms by hand, the frontier that a table shows, and what must be given."""

from typing import Any

import pytest

from splittool.errors import UsageError
from splittool.network.arm_energy import EnergyOptions, with_energy
from splittool.network.network import Network
from splittool.reports import ArmRecord
from splittool.reports.arm_energy import energy_tables, frontier


def test_computing_and_radio(exported: Any) -> None:
    options = EnergyOptions("0.02J/GFLOP", "100mW/Mbps+500mW", "10Mbps")
    model = options.model(Network.load(exported))
    arm = with_energy(ArmRecord("cut", edge_gflops=2.0, payload_bytes_per_frame=1e6), model)
    # 2 GFLOPs at 20 mJ; 8 Mbit at 10 Mbit/s with 1500 mW.
    assert arm.energy_mj == pytest.approx(40 + 1500 * 0.8)


def test_without_figures_there_is_no_energy(exported: Any) -> None:
    arm = ArmRecord("cut", edge_gflops=2.0)
    model = EnergyOptions().model(Network.load(exported))
    assert model is None
    assert with_energy(arm, model) is arm
    assert energy_tables([arm], None, None) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"edge_energy": "0.02J/GFLOP"}, "`edge_energy` needs `radio`"),
        ({"radio": "wifi"}, "`radio` needs `edge_energy`"),
        ({"link": "20Mbps"}, "`link` needs `edge_energy`"),
        ({"edge_energy": "1J/GFLOP", "radio": "wifi"}, "need `link` as well"),
        ({"edge_energy": "1.5W", "radio": "wifi", "link": 20}, "is a power, .* give joules for"),
    ],
)
def test_what_energy_needs(given: dict[str, Any], says: str, exported: Any) -> None:
    with pytest.raises(UsageError, match=says):
        EnergyOptions(**given).model(Network.load(exported))


def test_the_frontier_has_more_dice_for_more_energy() -> None:
    arms = [
        ArmRecord("whole", dice=0.9, energy_mj=1.0),
        ArmRecord("image", codec="jpeg", dice=0.5, energy_mj=10.0),
        ArmRecord("image", codec="webp", dice=0.4, energy_mj=20.0),
        ArmRecord("cut", point="a", dice=0.7, energy_mj=30.0),
        ArmRecord("answer", dice=0.7, energy_mj=25.0),
        ArmRecord("answer", dice=None, energy_mj=5.0),
    ]
    assert [(arm.kind, arm.energy_mj) for arm in frontier(arms)] == [("image", 10), ("answer", 25)]
