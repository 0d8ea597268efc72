"""`splittool plan`: latency and throughput of every split point, and which is best."""

from pathlib import Path
from typing import Annotated

import typer

from splittool.cli.options import (
    EdgeEnergyOption,
    ModelArgument,
    RadioOption,
    Shapes,
    Trust,
    link_option,
    time_option,
)
from splittool.cli.output import Output
from splittool.quantities import Compute, Link, parse_compute
from splittool.quantities.energy import parse_millijoules, parse_watt_hours, parse_watts
from splittool.vocabulary import Objective


def plan(
    ctx: typer.Context,
    model: ModelArgument,
    edge: Annotated[
        Compute,
        typer.Option(
            metavar="RATE",
            parser=parse_compute,
            help="Compute rate of the device: a rate such as 100GFLOPS, or a bench-vpu report,"
            " whose FPS are multiplied by the GFLOPs of its model; a report of bench-vpu MODEL"
            " --splits gives the time of each head.",
        ),
    ],
    cloud: Annotated[
        Compute,
        typer.Option(
            metavar="RATE",
            parser=parse_compute,
            help="Compute rate of the cloud, like --edge.",
        ),
    ],
    link: Annotated[Link, link_option("A rate such as 100Mbps, or a link's name.")],
    rtt: Annotated[
        float, time_option("Round-trip time of the link, such as 10ms. [default: 0ms]")
    ] = 0.0,
    bits: Annotated[
        int, typer.Option(help="Bits per element of features; whole numbers keep their type's.")
    ] = 16,
    infer: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="REPORT",
            help="Take bytes and Dice from a report of infer (of a cut or a whole network) or of"
            " compare; repeat for several.",
        ),
    ] = None,
    image_bytes: Annotated[
        float | None,
        typer.Option(
            help="Bytes of the input as it is sent. [default: as --infer measured, or raw]"
        ),
    ] = None,
    answer_bytes: Annotated[
        float | None,
        typer.Option(
            help="Bytes of the answer that edge only sends; 0 if it is wanted on the device."
            " [default: coded masks as --infer measured, or an estimate]"
        ),
    ] = None,
    edge_energy: EdgeEnergyOption = None,
    radio: RadioOption = None,
    idle_power: Annotated[
        float | None,
        typer.Option(
            metavar="POWER",
            parser=parse_watts,
            help="What the device draws while it waits for link and cloud, such as 0.5W."
            " [default: as the report of --edge-energy measured, or not counted]",
        ),
    ] = None,
    battery: Annotated[
        float | None,
        typer.Option(
            metavar="ENERGY", parser=parse_watt_hours, help="What the battery holds, such as 10Wh."
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(help="The frame rate to be reached. [default: as each cut can do]"),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(min=1, help="Say what so many devices need together, each at --fps."),
    ] = None,
    best: Annotated[Objective, typer.Option(help="What the chosen row is best in.")] = "latency",
    min_dice: Annotated[
        float | None,
        typer.Option(
            help="Lowest measured Dice to choose. [default: the whole network's, less 0.005]"
        ),
    ] = None,
    max_edge_gflops: Annotated[
        float | None, typer.Option(help="Most GFLOPs on the device for a frame.")
    ] = None,
    min_fps: Annotated[float | None, typer.Option(help="Fewest frames per second.")] = None,
    max_latency: Annotated[
        float | None,
        typer.Option(metavar="MS", help="Longest latency of a frame in milliseconds."),
    ] = None,
    max_energy: Annotated[
        float | None,
        typer.Option(
            metavar="ENERGY",
            parser=parse_millijoules,
            help="Most energy of the device for a frame, such as 50mJ.",
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="Show so many distinct places, the best first.")
    ] = None,
    pareto: Annotated[
        bool,
        typer.Option(
            "--pareto",
            help="Show only places that no other one beats in bytes, work on the device and Dice.",
        ),
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Show every row in the table.")] = False,
    shape: Shapes = None,
    trust: Trust = False,
) -> None:
    """Choose where to cut.

    Latency = head + 8 x bytes / link + round trip + tail. FPS are those of the slowest of edge,
    link and cloud, which work on different frames at the same time. The rows are edge only, which
    sends its answer as coded masks, cloud only, every split point in topological order, and the cut
    of least latency among all closed cuts of the graph, which is found as a minimum cut. --best and
    the limits choose among these rows; the command exits with 5 if no row is within the limits.
    Where Dice was measured and there is no --min-dice, a row must lose no more than 0.005 of the
    whole network's. A mark "!" stands at what a limit does not allow.

    With --edge-energy and --radio, energy of the device for a frame = computing + radio + waiting:
    joules per GFLOP x GFLOPs of the head, or watts x its time; (mW per Mbit/s x rate of the link +
    base mW) x time of the transfer; idle power x the rest of the latency. The cut of least energy
    is found as a minimum cut, too. A battery lasts for its energy over the mean power: FPS x
    (computing + radio), and idle power while the device does not compute. Radios by name are
    smartphones': wifi, lte and 3g of Huang et al., MobiSys 2012, table 4; 5g-low-band and 5g-mmwave
    lines through the data published with Narayanan et al., SIGCOMM 2021, fig. 11, where the power
    is that of the whole phone.

    With --devices and --fps it says what many devices need together that send as the chosen row
    does: Mbit/s = devices x FPS x 8 x bytes, and servers = devices x FPS x time of tail and
    decoding. A server is what the rate of --cloud is of.
    """
    output: Output = ctx.obj
    from splittool.cost.limits import nothing_fits
    from splittool.cost.plan_options import PlanOptions
    from splittool.cost.plans import plan as make_plan
    from splittool.errors import ThresholdError
    from splittool.network.network import Network
    from splittool.reports import LimitsRecord

    limits = LimitsRecord(min_dice, max_edge_gflops, min_fps, max_latency, max_energy)
    options = PlanOptions(
        edge,
        cloud,
        link,
        rtt,
        bits,
        infer or [],
        image_bytes,
        best,
        limits,
        shape or [],
        answer_bytes,
        edge_energy,
        radio,
        idle_power,
        battery,
        fps,
        top,
        pareto,
        trust,
        devices,
    )
    options.check()
    network = Network.load(model, shape, trust)
    report = make_plan(network.record, network.graph, network.info, options)
    output.emit(report, every=every)
    if report.best is None:
        raise ThresholdError(nothing_fits(report))
