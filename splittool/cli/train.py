"""`splittool train`: a segmentation network from images and masks."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from splittool.cli.options import Force, MaxPixelsOption
from splittool.cli.output import Output
from splittool.errors import StoppedError
from splittool.quantities import (
    QualityRange,
    Size,
    parse_numbers,
    parse_quality_range,
    parse_size,
)
from splittool.tables import short
from splittool.vocabulary import MAX_PIXELS

if TYPE_CHECKING:
    from splittool.reports import EpochRecord
    from splittool.training.observer import Observer
    from splittool.training.run import Draw


Activation = Literal["relu", "elu"]
Norm = Literal["batch", "none"]
# A tuple of whole numbers; Typer would take a tuple for an option of several words.
Numbers = Any


def numbers(text: str) -> Any:
    """An option that is a list of whole numbers."""
    return typer.Option(metavar="LIST", parser=parse_numbers, help=text)


def train(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder with train_images/ and train.csv.")],
    output_file: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The model to write. [default: the network's name.pt]"),
    ] = None,
    arch: Annotated[
        str, typer.Option(help="The network: unet, fcn32s, fcn16s, fcn8s, pspnet or splitnet.")
    ] = "unet",
    recipe: Annotated[
        str, typer.Option(help="balanced (learns rare defects) or paper (as published).")
    ] = "balanced",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the images.")] = 100,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Images per step, over all processes together.")
    ] = 4,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Learning rate of Adam; the peak value when a schedule is used."
            " [default: the recipe's]",
            show_default=False,
        ),
    ] = None,
    widths: Annotated[
        Numbers,
        numbers("Channels of each level, such as 8,16,32,64,64. [default: published]"),
    ] = None,
    depths: Annotated[
        Numbers,
        numbers("Residual blocks of each level of splitnet on the device. [default: 1,2,1]"),
    ] = None,
    cloud_depths: Annotated[
        Numbers,
        numbers("Residual blocks of each level of splitnet in the cloud. [default: 2,2,3]"),
    ] = None,
    bottleneck: Annotated[
        int | None,
        typer.Option(min=1, help="Channels below a unet's last level, or of splitnet's latent."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="SPLIT_POINT",
            help="Cut unet, fcn* or pspnet there, and send one latent in place of what crosses.",
        ),
    ] = None,
    latent_channels: Annotated[
        int | None, typer.Option(min=1, help="Channels of the latent of --at. [default: 12]")
    ] = None,
    activation: Annotated[
        Activation | None,
        typer.Option(help="relu (fuses into VPU stages) or elu; pspnet has relu."),
    ] = None,
    norm: Annotated[
        Norm | None, typer.Option(help="batch (folded at export) or none; pspnet has batch.")
    ] = None,
    augment_jpeg: Annotated[
        QualityRange | None,
        typer.Option(
            parser=parse_quality_range,
            metavar="LOW-HIGH",
            help="Train on JPEGs of random quality, such as 5-95.",
        ),
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Fine-tune a .pt of the same network.")
    ] = None,
    backbone_weights: Annotated[
        Path | None,
        typer.Option(
            help="File of torchvision's vgg16, vgg16_bn or resnet50 weights to start from."
        ),
    ] = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(metavar="MODEL", help="A .pt to learn from beside the masks; repeat."),
    ] = None,
    target_bytes: Annotated[
        float | None,
        typer.Option(
            metavar="BYTES",
            help="For a latent: bytes of a frame, header included; finds the --lambda for it.",
        ),
    ] = None,
    rate_weight: Annotated[
        float | None,
        typer.Option(
            "--lambda",
            "--rate-weight",
            help="For a latent: what a bit per pixel adds to the loss. [default: 2]",
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        Size | None,
        typer.Option(
            metavar="SIZE",
            parser=parse_size,
            help="Resize images to height x width. [default: pad to the largest]",
        ),
    ] = None,
    crop: Annotated[
        Size | None,
        typer.Option(
            metavar="SIZE",
            parser=parse_size,
            help="Train on random windows, height x width."
            " [default: the recipe's: balanced 256x256, paper whole images]",
            show_default=False,
        ),
    ] = None,
    validation: Annotated[
        float, typer.Option(min=0.01, max=0.99, help="Share of images held out.")
    ] = 0.2,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the weights, the partition and the order.")
    ] = 0,
    augment: Annotated[
        bool,
        typer.Option(
            "--augment/--no-augment",
            help="Flip images, change their lighting and, in recipe balanced, warp them at random.",
        ),
    ] = True,
    precision: Annotated[
        str, typer.Option(help="auto, f32, bf16 or f16; auto takes the fastest here.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that load images.")] = 1,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    log_dir: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write TensorBoard's event files there."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a stopped run left off.")
    ] = False,
    force: Force = False,
) -> None:
    """Train a segmentation network.

    The folder has Kaggle's layout: train_images/ and train.csv. MODEL.pt is the best model by
    validation Dice. Beside it go MODEL.state.pt (for --resume), MODEL.history.jsonl (one line per
    epoch), MODEL.validation.txt (the held-out images) and, if matplotlib is installed,
    MODEL.curves.png. To train on several processes: torchrun -m splittool train ...

    splitnet is made to be split: bytes have a price in its training (--lambda), or are held at
    --target-bytes, and codec learned is fitted to it at the end. Its model is that of the last
    epoch. --at makes such a network of another one: its part behind that split point starts from
    --start-from, or from the first --teacher that is the same network, whose options it takes.

    --start-from and --augment-jpeg fine-tune a model on compressed images, so that the compare
    command gives the compressed input a fair chance.
    """
    from splittool.training.distributed import is_first
    from splittool.training.run import TrainingOptions
    from splittool.training.run import train as run_training
    from splittool.training.settings import make_settings

    output: Output = ctx.obj if is_first() else Output(quiet=True)
    settings = make_settings(
        recipe,
        {
            "widths": widths, "depths": depths, "cloud_depths": cloud_depths,
            "bottleneck": bottleneck,
            "activation": activation, "norm": norm,
            "at": at, "latent_channels": latent_channels,
        },
        like=[path for path in (start_from, *(teacher or ())) if path] if at else (),
        arch=arch,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        augment=augment,
        precision=precision,
        validation=validation,
        size=size,
        crop=crop,
        jpeg=augment_jpeg, rate_weight=rate_weight, target_bytes=target_bytes,
    )  # fmt: skip
    model = output_file or Path(f"{arch}-{at}.pt" if at else f"{arch}.pt")
    starts = (backbone_weights, start_from, tuple(teacher or ()))
    options = TrainingOptions(device, workers, resume, force, *starts, max_pixels, log_dir)
    try:
        with output.progress() as bar:
            watch, draw = _notes(output), _curves(output)
            report = run_training(folder, model, settings, options, bar, watch, draw)
    except StoppedError as stopped:
        if not is_first():
            sys.exit(stopped.exit_code)  # the first process says it
        raise _to_go_on(stopped, model, resume) from None
    if is_first():
        output.emit(report)


def _to_go_on(stopped: StoppedError, model: Path, resume: bool) -> StoppedError:
    """The error with the command that goes on, if there is anything to go on with."""
    from splittool.training.distributed import is_alone
    from splittool.training.outputs import Outputs

    if not Outputs.beside(model).state.is_file():
        return stopped  # nothing was trained yet
    given = [argument for argument in sys.argv[1:] if argument not in ("-f", "--force")]
    again = " ".join(["splittool", *given, *([] if resume else ["--resume"])])
    if not is_alone():
        again = "the same torchrun command" + ("" if resume else " and --resume")
    return type(stopped)(f"{stopped}; go on with: {again}", stopped.exit_code)


def _notes(output: Output) -> "Observer":
    """Print one line per epoch."""
    from splittool.training.observer import Observer

    class Notes(Observer):
        def noted(self, text: str) -> None:
            output.note(f"note: {text}")

        def epoch_done(self, record: "EpochRecord", is_best: bool) -> None:
            training, held_out = record.train, record.validation
            output.note(
                f"epoch {record.epoch:3d}  loss {short(training.loss)}/{short(held_out.loss)}"
                f"  dice {short(training.dice)}/{short(held_out.dice)}"
                f"  kaggle {held_out.kaggle:.3f} (floor {held_out.floor:.3f})"
                f"{_sent(record)}"
                f"{' best' if is_best else ''}"
            )

    return Notes()


def _sent(record: "EpochRecord") -> str:
    """Bytes of a frame, where they have a price."""
    sent = record.validation.bytes_per_frame
    if sent is None or record.rate_weight is None:
        return ""
    return f"  bytes {sent:.1f} (lambda {record.rate_weight:.3g})"


def _curves(output: Output) -> "Draw":
    """Draw the curves; where matplotlib is missing, say so."""

    def draw(history: "Sequence[EpochRecord]", path: Path) -> bool:
        import msgspec

        from splittool.errors import MissingExtraError
        from splittool.figures.curves import training_curves
        from splittool.figures.style import save

        try:
            save(training_curves([msgspec.to_builtins(record) for record in history]), path)
        except MissingExtraError as missing:
            output.note(f"note: {missing}")
            return False
        return True

    return draw
