"""`splittool train`: a segmentation network from images and masks."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from splittool.cli.options import Force
from splittool.cli.output import Output
from splittool.tables import make_table, short

if TYPE_CHECKING:
    from splittool.progress import Progress
    from splittool.training.settings import Precision, Settings


Activation = Literal["relu", "elu"]
Norm = Literal["batch", "none"]


def train(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Holds train_images/ and train.csv.")],
    output_file: Annotated[Path, typer.Option("--output", "-o", help="The model to write (.pt).")],
    arch: Annotated[
        str, typer.Option(help="The network: unet, fcn32s, fcn16s, fcn8s, pspnet or splitnet.")
    ] = "unet",
    recipe: Annotated[
        str, typer.Option(help="balanced (learns rare defects), or paper (as published).")
    ] = "balanced",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the images.")] = 100,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Images per step, over all processes together.")
    ] = 4,
    learning_rate: Annotated[
        float | None, typer.Option(help="Of Adam. [default: the recipe's]", show_default=False)
    ] = None,
    widths: Annotated[
        str | None,
        typer.Option(help="Channels of each level, such as 8,16,32,64,64. [default: published]"),
    ] = None,
    bottleneck: Annotated[
        int | None,
        typer.Option(min=1, help="Channels below the last level of a unet, or of the latent."),
    ] = None,
    activation: Annotated[
        Activation | None, typer.Option(help="relu (fuses into VPU stages) or elu. Not of pspnet.")
    ] = None,
    norm: Annotated[
        Norm | None, typer.Option(help="batch (folded at export) or none. Not of pspnet.")
    ] = None,
    augment_jpeg: Annotated[
        str | None,
        typer.Option(metavar="LOW-HIGH", help="Train on JPEGs of random quality, such as 5-95."),
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Fine-tune a .pt of the same network.")
    ] = None,
    backbone_weights: Annotated[
        Path | None,
        typer.Option(help="Torchvision's vgg16, vgg16_bn or resnet50 weights to start from."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Resize images to height x width. [default: pad to the largest]"),
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(help="Train on random windows, height x width. [default: whole images]"),
    ] = None,
    validation: Annotated[
        float, typer.Option(min=0.01, max=0.99, help="Share of images held out.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, split and order.")] = 0,
    augment: Annotated[
        bool, typer.Option("--augment/--no-augment", help="Random flips and lighting.")
    ] = True,
    precision: Annotated[
        str, typer.Option(help="auto, fp32, bf16 or fp16; auto takes what is faster here.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that load images.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a stopped run left off.")
    ] = False,
    force: Force = False,
) -> None:
    """Train a segmentation network.

    The folder has Kaggle's layout: train_images/ and train.csv. Beside MODEL.pt, which is the best
    model by validation Dice, go MODEL.state.pt (for --resume), MODEL.history.jsonl (one line per
    epoch), MODEL.validation.txt (the held-out images) and, with matplotlib installed,
    MODEL.curves.png. Several processes: torchrun -m splittool train ...

    --start-from and --augment-jpeg fine-tune a model on compressed images, so that compare gives
    the compressed input a fair chance.
    """
    output: Output = ctx.obj
    fields, options, precision_type = _fields(locals())
    from splittool.errors import MissingExtraError, UsageError

    if output_file.suffix != ".pt":
        raise UsageError(f"-o {output_file}: a model ends in .pt")
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError("training needs torch; install it: pip install torch") from None
    from dataclasses import replace

    from splittool.errors import StoppedError
    from splittool.progress import nobody
    from splittool.training.distributed import world
    from splittool.training.loop import Outputs
    from splittool.training.precision import choose_device, choose_precision
    from splittool.training.run import make_settings
    from splittool.training.run import train as run_training

    chosen_device = choose_device(device)
    settings = make_settings(recipe, fields, options)
    settings = replace(settings, precision=choose_precision(precision_type, chosen_device))
    outputs = Outputs.beside(output_file)
    _check_outputs(outputs, resume, force)
    with world(chosen_device) as processes, output.progress() as progress:
        talk = output if processes.rank == 0 else Output(quiet=True)
        observer = _observer(talk, progress if processes.rank == 0 else nobody, settings)
        try:
            result = run_training(
                folder,
                settings,
                outputs,
                processes,
                observer,
                workers,
                resume,
                backbone_weights,
                start_from,
            )
        except StoppedError as stopped:
            if processes.rank:
                sys.exit(stopped.exit_code)  # one of them says it
            if not outputs.state.is_file():
                raise  # nothing was trained yet
            again = _again(resume, processes.size)
            raise StoppedError(f"{stopped}; go on with: {again}", stopped.exit_code) from None
        if processes.rank == 0:
            _finish(output, folder, outputs, settings, processes, result)


def _again(resume: bool, processes: int) -> str:
    """The command that goes on."""
    if processes > 1:
        return "the same torchrun command" + ("" if resume else " and --resume")
    given = [argument for argument in sys.argv[1:] if argument not in ("-f", "--force")]
    return " ".join(["splittool", *given, *([] if resume else ["--resume"])])


def _fields(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], "Precision"]:
    """The fields of `Settings` and the network's options among the command's options."""
    from typing import get_args

    from splittool.data.images import parse_size
    from splittool.errors import UsageError
    from splittool.files import require_file, sha256
    from splittool.training.settings import Precision

    if given["precision"] not in get_args(Precision):
        raise UsageError(
            f"unknown precision {given['precision']!r};"
            f" give one of: {', '.join(get_args(Precision))}"
        )
    rate = given["learning_rate"]
    if rate is not None and not 0 < rate < float("inf"):
        raise UsageError(f"--learning-rate {rate:g} is out of range; give a number above 0")
    names = ("arch", "epochs", "batch_size", "learning_rate", "seed", "augment", "validation")
    fields = {name: given[name] for name in names}
    for name in ("size", "crop"):
        fields[name] = parse_size(given[name]) if given[name] else None
    fields["jpeg"] = _qualities(given["augment_jpeg"])
    for name, option, fix in (
        ("backbone", "backbone_weights", "give a file of torchvision's weights"),
        ("start", "start_from", "give a .pt of splittool train"),
    ):
        if given[option] is not None:
            require_file(given[option], fix)
            fields[name] = sha256(given[option])
    options = {name: given[name] for name in ("bottleneck", "activation", "norm")}
    options["widths"] = _widths(given["widths"])
    return fields, options, given["precision"]


def _qualities(text: str | None) -> tuple[int, int] | None:
    from splittool.errors import UsageError

    if text is None:
        return None
    low, _, high = text.partition("-")
    numbers = [int(word) if word.isascii() and word.isdecimal() else 0 for word in (low, high)]
    if not 1 <= numbers[0] <= numbers[1] <= 100:
        raise UsageError(f"--augment-jpeg {text}: give two qualities from 1 to 100, as in 5-95")
    return numbers[0], numbers[1]


def _widths(text: str | None) -> list[int] | None:
    from splittool.errors import UsageError

    if text is None:
        return None
    words = text.split(",")
    widths = [int(word) if word.isascii() and word.isdecimal() else 0 for word in words]
    if not all(0 < width < 2**16 for width in widths):
        raise UsageError(f"--widths {text}: give whole numbers above 0, such as 8,16,32,64,64")
    return widths


def _check_outputs(outputs: Any, resume: bool, force: bool) -> None:
    from splittool.errors import OutputError
    from splittool.files import refuse_existing

    if outputs.state.is_file() and not (resume or force):
        raise OutputError(
            f"{outputs.state} exists: a run with this name was started; give --resume to go on"
            " with it, --force to start anew, or another -o"
        )
    refuse_existing([outputs.model, outputs.state, outputs.history], force or resume)


def _observer(output: Output, progress: "Progress", settings: "Settings") -> Any:
    """Show a run as a bar for the whole, and one line per epoch."""
    from splittool.training.observer import Observer

    class Shown(Observer):
        def __init__(self) -> None:
            self.images = self.done = self.epoch = self.steps = 0

        def checking(self, images: int) -> None:
            self.images, self.done = images, 0

        def checked(self) -> None:
            self.done += 1
            progress(self.done, self.images, "checking images")

        def epoch_started(self, epoch: int, done: int, steps: int) -> None:
            self.epoch, self.steps = epoch, steps * settings.epochs
            self.done = (epoch - 1) * steps + done

        def step_done(self, loss: float) -> None:
            self.done += 1
            text = f"epoch {self.epoch}/{settings.epochs} loss {loss:.3f}"
            progress(self.done, self.steps, text)

        def epoch_done(self, record: dict[str, Any], is_best: bool) -> None:
            training, held_out = record["train"], record["validation"]
            output.note(
                f"epoch {record['epoch']:3d}  loss {training['loss']:.3f}/"
                f"{held_out['loss']:.3f}  dice {short(training['dice'])}/"
                f"{short(held_out['dice'])}  kaggle {held_out['kaggle']:.3f}"
                f" (floor {held_out['floor']:.3f}){' best' if is_best else ''}"
            )

    return Shown()


def _finish(
    output: Output, folder: Path, outputs: Any, settings: "Settings", processes: Any, result: Any
) -> None:
    from dataclasses import asdict

    from splittool.reports import TrainReport, file_record
    from splittool.training.run import validation_list
    from splittool.training.settings import RECIPES

    history = result["history"]
    keep = RECIPES[settings.recipe].keep
    best = max(history, key=lambda record: record["validation"][keep] or -1.0)
    if not outputs.model.is_file():
        from splittool.errors import TrainingError

        raise TrainingError(
            "no epoch had a validation Dice, because no held-out image has a defect;"
            " add images, or give a larger --validation"
        )
    report = TrainReport(
        folder=str(folder),
        model=file_record(outputs.model),
        history=str(outputs.history),
        validation_list=str(validation_list(outputs)),
        curves=_draw_curves(output, outputs, history),
        settings=asdict(settings),
        device=str(processes.device),
        processes=processes.size,
        classes=list(result["classes"]),
        height=result["canvas"].height,
        width=result["canvas"].width,
        fit=result["canvas"].fit,
        training_images=result["training_images"],
        validation_images=result["validation_images"],
        epochs=len(history),
        seconds=sum(record["seconds"] for record in history),
        seconds_per_step=sum(r["seconds_per_step"] for r in history) / len(history),
        best=best,
        last=history[-1],
    )
    output.emit(report, _tables(report))


def _draw_curves(output: Output, outputs: Any, history: list[dict[str, Any]]) -> str | None:
    from splittool.errors import MissingExtraError
    from splittool.plots import save, training_curves

    path: Path = outputs.model.with_suffix(".curves.png")
    try:
        save(training_curves(history), path)
    except MissingExtraError as missing:
        output.note(f"note: {missing}")
        return None
    return str(path)


def _tables(report: Any) -> list[Any]:
    held_out = report.best["validation"]
    rows = [
        ["Dice over defective pairs", short(held_out["dice"])],
        *(
            [f"  class {name}", short(value)]
            for name, value in zip(report.classes, held_out["dice_per_class"], strict=True)
        ),
        ["Dice over all pixels of a class", short(held_out["pooled_dice"])],
        ["Kaggle metric", short(held_out["kaggle"])],
        ["  its floor (nothing predicted)", short(held_out["floor"])],
        ["loss", short(held_out["loss"])],
        ["images, training + validation", f"{report.training_images} + {report.validation_images}"],
        ["input", f"{report.height}x{report.width} ({report.fit})"],
        ["seconds per step", short(report.seconds_per_step)],
    ]
    title = f"{report.model.path}: best of {report.epochs} epochs is {report.best['epoch']}"
    return [make_table(title, ["validation", "value"], rows)]
