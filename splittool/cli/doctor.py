"""`splittool doctor`: what is here, and how to get what is not."""

import typer

from splittool.cli.output import Output


def doctor(ctx: typer.Context) -> None:
    """Say what is here, and how to get what is missing.

    Looks for what splittool measures, compiles and trains with: OpenVINO's devices and the versions
    of their plug-ins, the old runtime and the compiler for Myriad X, libusb, the udev rule, sticks,
    torch, CUDA and the packages of splittool's extras. Nothing is installed or changed. A missing
    item is not an error: the exit code is 0.
    """
    output: Output = ctx.obj
    from splittool.benchmark.doctor import examine

    output.emit(examine())
