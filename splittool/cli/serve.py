"""`splittool serve`: the cloud's half of cuts, for edges that send frames."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from splittool.cli.options import PrecisionOption, ThresholdOption, TlsCert, TlsKey, TokenFile
from splittool.cli.output import Output

if TYPE_CHECKING:
    from splittool.serving.server import ServerOptions


def serve(
    ctx: typer.Context,
    cuts: Annotated[
        list[str],
        typer.Argument(
            metavar="CUT...",
            help="cut.json files or their folders; NAME=CUT or NAME:VERSION=CUT names one.",
        ),
    ],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8001,
    returns: Annotated[
        Literal["masks", "probabilities"],
        typer.Option("--return", help="What callers get who do not say what they want."),
    ] = "masks",
    threshold: ThresholdOption = 0.5,
    precision: PrecisionOption = "auto",
    workers: Annotated[
        int, typer.Option(min=1, max=1024, help="Frames that are computed at once.")
    ] = 2,
    queue: Annotated[
        int, typer.Option(min=1, max=65536, help="Frames in hand at once; more are refused.")
    ] = 32,
    max_message: Annotated[
        float | None,
        typer.Option(
            "--max-message-mb", help="Largest message in MB. [default: the cuts' largest frame]"
        ),
    ] = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(help="Who signs clients' certificates, PEM; clients then need one."),
    ] = None,
    token_file: TokenFile = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Listen beyond this machine without TLS and token."),
    ] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port for Prometheus. [default: no metrics]"),
    ] = None,
    reload_every: Annotated[
        float, typer.Option(min=0, help="Seconds between looks at the files; 0 for never.")
    ] = 2.0,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds for frames in hand when told to end.")
    ] = 30.0,
) -> None:
    """Answer frames of cuts: the cloud's side.

    Speaks the Open Inference Protocol (KServe v2) over gRPC. A request holds one frame as the
    BYTES[1] tensor `frame`; the answer holds masks. Ctrl-C and SIGTERM end it, once frames in hand
    are answered. The log is JSON lines on stderr.
    """
    output: Output = ctx.obj
    given = locals()
    from splittool.serving.extras import require_serving

    require_serving()
    from splittool.serving.models import Place
    from splittool.serving.server import serve as run

    places = [Place.parse(text) for text in cuts]
    options = _options(given)
    output.log_json("splittool.serving")
    output.emit(run(places, options, lambda address: output.note(f"listening on {address}")))


def _options(given: dict[str, Any]) -> "ServerOptions":
    """What the command's options say.

    Raises:
        UsageError: TLS files do not go together, or a number is out of range.
        InputError: The token's file is not usable.
    """
    from splittool.errors import UsageError
    from splittool.runtime.devices import check_precision
    from splittool.serving.models import Defaults
    from splittool.serving.security import Tls, read_token
    from splittool.serving.server import ServerOptions

    check_precision(given["precision"])
    tls = None
    if given["tls_cert"] or given["tls_key"] or given["tls_client_ca"]:
        if given["tls_cert"] is None or given["tls_key"] is None:
            raise UsageError("TLS needs --tls-cert and --tls-key; give both")
        tls = Tls(given["tls_cert"], given["tls_key"], given["tls_client_ca"])
    size = given["max_message"]
    if size is not None and not 0.001 <= size <= 2000:
        raise UsageError(f"--max-message-mb {size:g} is out of range; give 0.001 to 2000")
    return ServerOptions(
        host=given["host"],
        port=given["port"],
        defaults=Defaults(
            given["returns"], given["threshold"], given["precision"], given["workers"]
        ),
        queue=given["queue"],
        max_message=None if size is None else int(size * 1e6),
        tls=tls,
        token=read_token(given["token_file"]),
        insecure=given["insecure"],
        metrics_port=given["metrics_port"],
        reload_seconds=given["reload_every"],
        grace_seconds=given["grace"],
    )
