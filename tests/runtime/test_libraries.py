import pytest

from splittool.errors import ExitCode
from splittool.runtime.libraries import how_to_install, library_error, missing_library

ABSENT = "cannot open shared object file: No such file or directory"


@pytest.mark.parametrize(
    ("said", "library"),
    [
        (
            f"myriad_compile: error while loading shared libraries: libusb-1.0.so.0: {ABSENT}",
            "libusb-1.0.so.0",
        ),
        (
            "Failed to create plugin\nCannot load library '/x/libmyriadPlugin.so':"
            f" libusb-1.0.so.0: {ABSENT}\n",
            "libusb-1.0.so.0",
        ),
        (f"ImportError: libtbb.so.2: {ABSENT}", "libtbb.so.2"),
        (f"Cannot load library 'libGNAPlugin.so': libGNAPlugin.so: {ABSENT}", None),
        ("Can not init Myriad device: NC_ERROR", None),
        ("", None),
    ],
)
def test_the_loader_names_what_it_misses(said: str, library: str | None) -> None:
    assert missing_library(said) == library


def test_a_missing_library_is_an_error_with_its_package() -> None:
    error = library_error("the old runtime", "libusb-1.0.so.0")
    assert error.exit_code == ExitCode.NO_DEVICE
    assert str(error) == (
        "the old runtime needs libusb-1.0.so.0, which is missing: apt install libusb-1.0-0"
    )
    assert how_to_install("libfoo.so.1") == "apt-file search libfoo.so.1"
