"""Shared libraries that a runtime needs from the system, and the packages they come in."""

import re

from splittool.errors import DeviceError

# Names as Debian and Ubuntu have them.
_PACKAGES = {
    "libusb-1.0": "libusb-1.0-0",
    "libOpenCL": "ocl-icd-libopencl1",
    "libze_loader": "libze1",
    "libtbb": "libtbb12",
    "libgomp": "libgomp1",
    "libstdc++": "libstdc++6",
}
_NOT_FOUND = re.compile(r"(?P<name>[\w.+-]+\.so[\w.]*): cannot open shared object")


def missing_library(said: str) -> str | None:
    """The shared library that the dynamic loader did not find.

    Args:
        said: What a program or an exception said.

    Returns:
        Its file name; None if no library is missing, or only the plug-in that was asked for itself,
        which means that this runtime was built without it.
    """
    for found in _NOT_FOUND.finditer(said):
        if not re.search(rf"""['"]{re.escape(found["name"])}['"]""", said):
            return found["name"]
    return None


def how_to_install(library: str) -> str:
    """The command that installs a missing library, or finds the package that has it."""
    package = _PACKAGES.get(library.partition(".so")[0])
    return f"apt install {package}" if package else f"apt-file search {library}"


def library_error(who: str, library: str) -> DeviceError:
    """An error that says how to get a missing library.

    Args:
        who: The program that needs it.
        library: `missing_library(...)`.
    """
    return DeviceError(f"{who} needs {library}, which is missing: {how_to_install(library)}")
