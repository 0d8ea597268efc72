"""`splittool send`: the device's half of a cut, with a server on another host."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from splittool.cli.options import (
    BitsOption,
    CodecOption,
    FitOption,
    MaxPixelsOption,
    MeanOption,
    PrecisionOption,
    RangesOption,
    ScaleOption,
    ThresholdOption,
    TlsCert,
    TlsKey,
    TokenFile,
    run_options,
)
from splittool.cli.output import Output
from splittool.vocabulary import MAX_PIXELS

if TYPE_CHECKING:
    from splittool.serving.connection import Address
    from splittool.serving.edge import SendOptions


def send(
    ctx: typer.Context,
    cut: Annotated[Path, typer.Argument(metavar="CUT", help="A cut.json; its head runs here.")],
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Folders, images, .txt lists; or - for paths on stdin, a video file, or camera:0.",
        ),
    ],
    server: Annotated[
        str, typer.Option(help="grpc://HOST:PORT, or grpcs://HOST:PORT for TLS.")
    ] = "grpc://127.0.0.1:8001",
    output_folder: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for results.jsonl and masks.")
    ] = Path("sent"),
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME[:VERSION]", help="On the server. [default: the only one]"),
    ] = None,
    bits: BitsOption = None,
    codec: CodecOption = None,
    ranges: RangesOption = None,
    target_fps: Annotated[
        float | None,
        typer.Option(help="Offer so many pictures a second, and choose the bits by the link."),
    ] = None,
    window: Annotated[
        int, typer.Option(min=1, max=256, help="Frames sent before the first is answered.")
    ] = 4,
    fallback: Annotated[
        Literal["edge", "wait", "fail"],
        typer.Option(
            help="When the server does not answer: run the whole network here, go on asking, or"
            " give up."
        ),
    ] = "wait",
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds until edge or fail happen.")
    ] = 10.0,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for one answer.")] = 10.0,
    deadline: Annotated[
        float | None, typer.Option(help="Milliseconds in which masks should be there.")
    ] = None,
    drop_late: Annotated[
        bool, typer.Option("--drop-late", help="Do not send what is later than --deadline.")
    ] = False,
    tls_ca: Annotated[
        Path | None, typer.Option(help="Who signed the server's certificate, PEM.")
    ] = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    token_file: TokenFile = None,
    threshold: ThresholdOption = 0.5,
    fit: FitOption = None,
    device: Annotated[str, typer.Option(help="Device of the head.")] = "CPU",
    precision: PrecisionOption = "auto",
    mean: MeanOption = None,
    scale: ScaleOption = None,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    force: Annotated[bool, typer.Option("--force", "-f", help="Begin anew.")] = False,
) -> None:
    """Send pictures through a cut to a server.

    The head runs here, the tail where splittool serve runs; each picture gets exactly one result,
    in order. A broken connection is tried again; a run that was stopped or killed goes on where it
    was. In the output folder: results.jsonl, masks/, predictions.csv and report.json.
    """
    output: Output = ctx.obj
    given = locals()
    from splittool.serving.extras import require_serving

    require_serving()
    from splittool.serving.edge import send as run
    from splittool.serving.sources import Source
    from splittool.split.split_network import SplitNetwork

    options, address = _options(given), _address(given)
    split = SplitNetwork.open(cut)
    with output.progress() as progress:
        report = run(split, Source(source, max_pixels), address, output_folder, options, progress)
    output.emit(report)


def _address(given: dict[str, Any]) -> "Address":
    """Where the server is."""
    from splittool.serving.connection import Address
    from splittool.serving.security import Tls, read_token

    tls = Tls(given["tls_cert"], given["tls_key"], given["tls_ca"])
    tls.check()
    return Address.parse(given["server"], tls, read_token(given["token_file"]))


def _options(given: dict[str, Any]) -> "SendOptions":
    """What the command's options say.

    Raises:
        UsageError: They do not go together, or a number is out of range.
    """
    from splittool.codec.choices import parse_bits, parse_codecs
    from splittool.errors import UsageError
    from splittool.serving.delivery import Policy
    from splittool.serving.edge import SendOptions
    from splittool.split.options import LinkOptions

    for name in ("deadline", "timeout", "target_fps"):
        if given[name] is not None and not given[name] > 0:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} {given[name]:g} is out of range; give a number above 0")
    if given["drop_late"] and given["deadline"] is None:
        raise UsageError("--drop-late needs to know what is late; give --deadline")
    if given["target_fps"] is not None and given["bits"] is not None:
        raise UsageError("--target-fps chooses the bits itself; leave out --bits")
    parse_bits(given["bits"])
    parse_codecs(given["codec"])
    policy = Policy(
        fallback=given["fallback"],
        patience=given["patience"],
        timeout=given["timeout"],
        deadline=None if given["deadline"] is None else given["deadline"] / 1e3,
        drop_late=given["drop_late"],
        threshold=given["threshold"],
    )
    return SendOptions(
        run=run_options(given),
        link=LinkOptions(given["bits"], given["codec"], given["ranges"]),
        policy=policy,
        model=given["model"],
        window=given["window"],
        target_fps=given["target_fps"],
        fresh=given["force"],
    )
