"""`splittool relay`: a slow, far and unreliable link to test on."""

from typing import Annotated

import typer

from splittool.cli.options import link_option, time_option
from splittool.cli.output import Output
from splittool.quantities import Link


def relay(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Where it leads.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 9001,
    rate: Annotated[
        Link | None,
        link_option(
            "Of each direction: a rate such as 20Mbps, or a link's name. [default: no limit]"
        ),
    ] = None,
    delay: Annotated[float, time_option("In each direction, such as 10ms. [default: 0ms]")] = 0.0,
    jitter: Annotated[
        float, time_option("Added to the delay or taken from it. [default: 0ms]")
    ] = 0.0,
    drop_connections: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Probability of a connection to break, for each busy second."
        ),
    ] = 0.0,
    corrupt: Annotated[
        float,
        typer.Option(min=0, max=1e6, help="Bits that are changed, for each megabyte."),
    ] = 0.0,
    stall: Annotated[
        float, time_option("How long nothing passes, such as 5s. [default: 0s]")
    ] = 0.0,
    stall_every: Annotated[
        float, time_option("Time between such pauses. [default: 30s]")
    ] = 30_000.0,
    seed: Annotated[int | None, typer.Option(help="Of what is left to chance.")] = None,
) -> None:
    """Relay connections over an emulated link.

    Listens on 127.0.0.1. All connections share the rate. A test of what a device and a server do
    when the link between them is bad; it needs no root.
    """
    output: Output = ctx.obj
    from splittool.errors import UsageError
    from splittool.serving.relay import RelayOptions
    from splittool.serving.relay import relay as run

    host, _, number = target.rpartition(":")
    if not host or not number.isdecimal() or not 0 < int(number) < 65536:
        raise UsageError(f"{target} is not HOST:PORT, such as 127.0.0.1:8001")
    options = RelayOptions(
        rate=None if rate is None else rate.mbps * 1e6,
        delay=delay / 1e3,
        jitter=jitter / 1e3,
        drop_connections=drop_connections,
        corrupt=corrupt,
        stall=stall / 1e3,
        stall_every=stall_every / 1e3,
        seed=seed,
    )
    ready = f"listening on 127.0.0.1:{{}}, which leads to {target}"
    output.emit(
        run((host, int(number)), options, port, lambda port: output.note(ready.format(port)))
    )
