"""Fake trees of sensors, as Linux shows them in /sys."""

from pathlib import Path

FULL = 65_532_610_987  # of a RAPL counter, in uJ, before it starts again


def write(sysfs: Path, folder: str, **files: str | int) -> Path:
    """Write the files of a device."""
    place = sysfs / folder
    place.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (place / name).write_text(f"{value}\n")
    return place


def rapl(sysfs: Path, number: int = 0, name: str = "package-0", energy: int = 1_000_000) -> Path:
    """A zone of powercap."""
    zone = f"class/powercap/intel-rapl:{number}"
    return write(sysfs, zone, name=name, energy_uj=energy, max_energy_range_uj=FULL)


def jetson(sysfs: Path, milliamperes: int = 400) -> Path:
    """An INA3221 of three rails; the first feeds the board, with 5 V."""
    return write(
        sysfs,
        "class/hwmon/hwmon3",
        name="ina3221",
        in1_label="VDD_IN",
        in1_input=5000,
        curr1_input=milliamperes,
        in2_label="VDD_CPU_GPU_CV",
        in2_input=5000,
        curr2_input=100,
        in3_label="VDD_SOC",
        in3_input=5000,
        curr3_input=50,
    )


def battery(sysfs: Path, status: str = "Discharging", **files: int) -> Path:
    """A laptop's battery, which hwmon shows once more."""
    write(sysfs, "class/hwmon/hwmon1", name="BAT0", in0_input=12000, power1_input=9_000_000)
    values = files or {"power_now": 9_000_000}
    return write(sysfs, "class/power_supply/BAT0", type="Battery", status=status, **values)
