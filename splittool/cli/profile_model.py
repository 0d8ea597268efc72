"""`splittool profile`: operations, parameters and memory, per layer and per split point."""

from typing import Annotated

import typer

from splittool.cli.options import ModelArgument, Shapes, Trust
from splittool.cli.output import Output


def profile(
    ctx: typer.Context,
    model: ModelArgument,
    layers: Annotated[
        bool, typer.Option("--layers/--no-layers", help="Show every operation in the table.")
    ] = True,
    shape: Shapes = None,
    trust: Trust = False,
) -> None:
    """Count operations, parameters and memory.

    The tables show every layer, the whole network, and the head at every split point. FLOPs follow
    the published definitions of OpenVINO's Model Analyzer; a MAC is two FLOPs, and both are
    printed. MinMem is the largest set of activations alive at once, MaxMem the sum of all, in
    millions of elements.
    """
    output: Output = ctx.obj
    from splittool.network.network import Network

    report = Network.load(model, shape, trust).profile()
    output.emit(report, layers=layers)
