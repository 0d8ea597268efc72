"""Options that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from splittool.cli.output import Output
from splittool.errors import UsageError
from splittool.quantities import parse_link, parse_milliseconds
from splittool.quantities.energy import EdgeEnergy, Radio, parse_edge_energy, parse_radio
from splittool.vocabulary import Fit, RangesFrom, RuntimeName

if TYPE_CHECKING:
    from splittool.split.options import Normalisation, RunOptions


def time_option(text: str) -> Any:
    """An option that takes a time such as 10ms, in milliseconds; its help says the default."""
    return typer.Option(metavar="TIME", parser=parse_milliseconds, show_default=False, help=text)


def link_option(text: str) -> Any:
    """An option that takes a rate or a link's name."""
    return typer.Option(metavar="LINK", parser=parse_link, help=text)


EdgeEnergyOption = Annotated[
    EdgeEnergy | None,
    typer.Option(
        "--edge-energy",
        metavar="ENERGY",
        parser=parse_edge_energy,
        help="Energy of computing on the device: for work, such as 0.02J/GFLOP; as power while it"
        " computes, such as 1.5W; or a bench-vpu report with measured joules.",
    ),
]
RadioOption = Annotated[
    Radio | None,
    typer.Option(
        "--radio",
        metavar="RADIO",
        parser=parse_radio,
        help="Power of the device's radio while it sends: wifi, lte, 3g, 5g-low-band, 5g-mmwave, or"
        " such as 283mW/Mbps+133mW.",
    ),
]
ModelArgument = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="A .pt checkpoint, an .xml, .onnx, .tflite, .pb or .pdmodel model, or a SavedModel.",
    ),
]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="SHAPE",
        help="Fix an open input: 1x3x256x1600, or NAME=1x3x256x1600; repeat for several.",
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust", help="Read programs of PyTorch, too (.pt2, TorchScript), which can run code."
    ),
]
ImagesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="IMAGES...", help="Folders, images, .txt lists of paths, or - for such a list."
    ),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option("--labels", help="True masks. [default: train.csv beside the images]"),
]
FitOption = Annotated[
    Fit | None,
    typer.Option("--fit", help="Pad or resize images to the input. [default: as trained]"),
]
ThresholdOption = Annotated[
    float,
    typer.Option(
        "--threshold", min=0, max=1, help="Probability from which a pixel belongs to a class."
    ),
]
PrecisionOption = Annotated[
    str,
    typer.Option("--precision", help="Number type: auto (the device's choice), f32, f16 or bf16."),
]
RuntimeOption = Annotated[
    RuntimeName,
    typer.Option("--runtime", help="Which runs .onnx files: openvino or onnxruntime."),
]
MeanOption = Annotated[
    float | None,
    typer.Option("--mean", help="For another tool's network: it takes (pixel - mean) / scale."),
]
ScaleOption = Annotated[float | None, typer.Option("--scale", help="See --mean.")]
MaxPixelsOption = Annotated[
    int,
    typer.Option(
        "--max-pixels", min=1, help="Largest image file, height times width, that is read."
    ),
]
BitsOption = Annotated[
    str | None,
    typer.Option(
        "--bits",
        metavar="BITS",
        help="Bits of each element on the link, 1 to 16; or TENSOR=BITS,TENSOR=BITS. [default: 16]",
    ),
]
CodecOption = Annotated[
    str | None,
    typer.Option(
        "--codec",
        metavar="CODEC",
        help="raw: packed; fast: packed, then zstd; small: smallest and slower; learned: for a"
        " latent that has a model; or TENSOR=CODEC,... [default: learned where it can, else"
        " fast]",
    ),
]
RangesOption = Annotated[
    RangesFrom | None,
    typer.Option(
        "--ranges",
        help="Ranges of the quantiser: sent with each frame, or calibrated."
        " [default: calibrated where calibrate was run, else frame]",
    ),
]
TlsCert = Annotated[Path | None, typer.Option("--tls-cert", help="Own certificate, PEM.")]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="Its private key, PEM.")]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="File with the token that callers show.")
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace outputs that exist.")]
BlobShaves = Annotated[
    int | None,
    typer.Option(
        min=1, max=16, help="SHAVE processors to compile a blob for. [default: the compiler's]"
    ),
]
Fps = Annotated[
    list[float] | None,
    typer.Option("--fps", help="Frames per second; repeat for several.", metavar="FPS"),
]


NO_COMPILER = "note: no Myriad compiler is here, so no .blob; splittool doctor says how"


def positive(values: list[float], option: str) -> list[float]:
    """Refuse numbers that are not above zero.

    Raises:
        UsageError: One is not.
    """
    for value in values:
        if not 0 < value < float("inf"):
            raise UsageError(f"{option} {value:g} is out of range; give a number above 0")
    return values


def compiler_for(output: Output, target: str, shaves: int | None) -> Path | None:
    """The Myriad compiler, where one is asked for and installed; see `runtime.myriad`."""
    from splittool.runtime import myriad

    compiler = myriad.compiler_for(target, shaves)
    if target == "myriad" and compiler is None:
        output.note(NO_COMPILER)
    return compiler


def run_options(given: dict[str, Any]) -> "RunOptions":
    """What the options of a command say of how a network runs.

    Args:
        given: The command's options by name: device, precision and max_pixels, and where it has
            them fit, threshold, mean, scale, fps, beside_whole and max_dice_loss.

    Raises:
        UsageError: --mean and --scale do not go together, or a frame rate is not above 0.
    """
    from splittool.split.options import RunOptions

    return RunOptions(
        device=given["device"],
        precision=given["precision"],
        normalisation=_normalisation(given.get("mean"), given.get("scale")),
        fit=given.get("fit"),
        threshold=given.get("threshold", 0.5),
        runtime=given.get("runtime", "openvino"),
        tail_device=given.get("tail_device") or "CPU",
        fps=tuple(positive(given.get("fps") or [10.0], "--fps")),
        beside_whole=given.get("beside_whole", False) or given.get("max_dice_loss") is not None,
        max_pixels=given["max_pixels"],
    )


def _normalisation(mean: float | None, scale: float | None) -> "Normalisation | None":
    from splittool.split.options import Normalisation

    if (mean is None) != (scale is None):
        raise UsageError("--mean and --scale go together; give both")
    if mean is None or scale is None:
        return None
    if scale == 0:
        raise UsageError("--scale 0 is out of range; give what to divide pixels by")
    return Normalisation(mean, scale)
