"""`splittool doctor`: what is here, and how to get what is not."""

import typer

from splittool.cli.output import Output
from splittool.tables import make_table, verbatim


def doctor(ctx: typer.Context) -> None:
    """Say what is here, and how to get what is missing.

    What splittool measures, compiles and trains with: OpenVINO's devices and plug-in versions, the
    old runtime and the compiler for Myriad X, libusb,
    the udev rule, sticks, CUDA and splittool's extras. Nothing is installed or changed. What is
    missing is no error: the exit code is 0.
    """
    output: Output = ctx.obj
    from splittool.bench.doctor import examine
    from splittool.reports import DoctorReport

    report = DoctorReport(checks=examine())
    rows = [[c.name, "yes" if c.present else "no", c.detail] for c in report.checks]
    fixes = [
        verbatim("\n".join([f"to get {check.name}:", *(f"  {line}" for line in check.fix)]))
        for check in report.checks
        if check.fix
    ]
    output.emit(report, [make_table("splittool doctor", ["", "here", ""], rows, texts=3), *fixes])
