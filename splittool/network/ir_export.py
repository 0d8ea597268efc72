"""Any network as OpenVINO IR on disk, so that a program needs trust only once."""

from splittool.conversion.export import Converted, IrForm, write_network
from splittool.network.network import Network
from splittool.reports import ExportReport


def export_network(network: Network, form: IrForm) -> ExportReport:
    """Write a network as OpenVINO IR.

    Args:
        network: The network.
        form: What IR to write, and where.

    Raises:
        UsageError: The output's name, the precision or the target cannot be used.
        InputError: An operation is too new for the target.
        OutputError: An output exists or cannot be written.
        DeviceError: SHAVEs are given, and the compiler is not installed.
    """
    form.check()
    compiler = form.ready()
    return write_network(Converted(network.record, network.model, network.info), form, compiler)
