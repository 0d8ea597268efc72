"""Any network as OpenVINO IR on disk, so that a program needs trust only once."""

from pathlib import Path

from splittool.conversion.export import Converted, IrForm, write_network
from splittool.network.network import Network, Shapes
from splittool.reports import ExportReport


def export_network(
    source: str | Path, form: IrForm, shape: Shapes = None, trust: bool = False
) -> ExportReport:
    """Write a network as OpenVINO IR.

    Args:
        source: The network's file, as `Network.load` takes it.
        form: What IR to write, and where.
        shape: The shape of an input that is open; see `Network.load`.
        trust: Whether the network may be a program that can run code.

    Raises:
        UsageError: The output's name, the precision, the target or a shape cannot be used.
        InputError: The network cannot be read, or an operation is too new for the target.
        OutputError: An output exists or cannot be written.
        DeviceError: SHAVEs are given, and the compiler is not installed.
    """
    form.check()  # before the network is read: converting a program takes long
    compiler = form.ready()
    network = Network.load(source, shape, trust)
    return write_network(Converted(network.record, network.model, network.info), form, compiler)
