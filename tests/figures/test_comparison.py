import pytest
from msgspec.structs import replace

from splittool.reports import ArmRecord

pytest.importorskip("matplotlib")

ARMS = [
    ArmRecord("whole", edge_gflops=2.0, dice=0.8),
    ArmRecord("answer", payload_bytes_per_frame=80, edge_gflops=2.0, dice=0.8),
    ArmRecord("answer", payload_bytes_per_frame=50, scale=0.5, edge_gflops=2.0, dice=0.75),
    ArmRecord("answer", network="a/tiny.pt", payload_bytes_per_frame=90, edge_gflops=0.5, dice=0.7),
    ArmRecord("image", codec="file", payload_bytes_per_frame=9000, dice=0.8),
    ArmRecord("image", codec="jpeg", quality=50, payload_bytes_per_frame=2000, dice=0.79),
    ArmRecord("image", codec="jpeg", quality=10, payload_bytes_per_frame=1000, dice=0.7),
    ArmRecord("image", codec="jpeg", quality=50, scale=0.5, payload_bytes_per_frame=900, dice=0.7),
    ArmRecord("cut", "maxpool_2", 4, "raw", edge_gflops=0.3, payload_bytes_per_frame=9e4, dice=0.8),
    ArmRecord(
        "cut", "maxpool_2", 4, "small", edge_gflops=0.3, payload_bytes_per_frame=4e4, dice=0.8
    ),
    ArmRecord(
        "cut", "maxpool_2", 2, "small", edge_gflops=0.3, payload_bytes_per_frame=1e4, dice=0.5
    ),
]


def test_every_rival_is_named_and_in_its_place() -> None:
    from splittool.figures.comparison import comparison

    (axis,) = comparison(ARMS).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in axis.get_lines()}
    assert axis.get_xscale() == "log"
    assert axis.get_xlabel() == "bytes per frame"
    whole = lines.pop("whole network")
    assert [dice for _, dice in whole] == [0.8, 0.8]
    assert lines == {
        "whole network, masks sent (2 GFLOPs)": [[50, 0.75], [80, 0.8]],
        "tiny, masks sent (0.5 GFLOPs)": [[90, 0.7]],
        "cut maxpool_2 (0.3 GFLOPs)": [[1e4, 0.5], [4e4, 0.8]],
        "input as jpeg": [[1000, 0.7], [2000, 0.79]],
        "input as jpeg half": [[900, 0.7]],
    }


def test_what_has_no_score_is_not_drawn() -> None:
    from splittool.figures.comparison import comparison

    (axis,) = comparison([ArmRecord("image", codec="jpeg", payload_bytes_per_frame=9)]).axes
    assert axis.get_lines() == []


def test_a_colour_is_a_format_and_a_marker_a_network() -> None:
    from splittool.figures.comparison import comparison

    arms = [
        ArmRecord(
            "image",
            codec=codec,
            scale=scale,
            network=network,
            payload_bytes_per_frame=9,
            dice=0.5,
        )
        for codec in ("jpeg", "avif")
        for scale in (1.0, 0.5)
        for network in (None, "big.pt")
    ]
    (axis,) = comparison(arms).axes
    lines = axis.get_lines()
    looks = [(line.get_color(), line.get_linestyle(), line.get_marker()) for line in lines]
    assert len(set(looks)) == 8
    assert [len(set(part)) for part in zip(*looks, strict=True)] == [2, 2, 2]
    assert len({color for color, _, _ in looks[:4]}) == 1


def test_intervals_are_drawn_and_what_they_cannot_tell_is_said() -> None:
    from splittool.figures.comparison import comparison

    interval, near, far = (0.15, 0.6), (-0.02, 0.03), (0.1, 0.2)
    seven = {"dice_interval": interval, "dice_interval_images": 7}
    arms = [
        ArmRecord("whole", edge_gflops=2.0, dice=0.4, **seven),
        ArmRecord(
            "cut", "a", 4, payload_bytes_per_frame=9, dice=0.39, dice_loss_interval=near, **seven
        ),
        ArmRecord(
            "cut", "a", 2, payload_bytes_per_frame=5, dice=0.25, dice_loss_interval=far, **seven
        ),
    ]
    (axis,) = comparison(arms).axes
    bars = [bar.get_segments()[0].tolist() for bar in axis.collections]
    assert sorted(bars) == [[[5, 0.15], [5, 0.6]], [[9, 0.15], [9, 0.6]]]
    low, high = axis.get_ylim()
    assert low < 0.15
    assert high > 0.6
    assert axis.get_xlabel().splitlines()[1:] == [
        "bars, band: 95 % intervals, 7 images with a defect",
        "1 of 2 ways: loss against the whole within its interval",
    ]


def test_energy_is_drawn_in_the_place_of_bytes() -> None:
    arms = [
        ArmRecord("cut", point="a", codec="raw", payload_bytes_per_frame=9, dice=0.5, energy_mj=70),
        ArmRecord("cut", point="a", codec="raw", bits=8, payload_bytes_per_frame=4, dice=0.4),
    ]
    arms[1] = replace(arms[1], energy_mj=30.0)
    from splittool.figures.comparison import comparison

    (axis,) = comparison(arms, "energy").axes
    (line,) = [line for line in axis.lines if len(line.get_xdata()) == 2]
    assert list(line.get_xdata()) == [30.0, 70.0]
    assert axis.get_xlabel().startswith("energy of the device per frame, mJ")
