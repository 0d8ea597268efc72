"""From a folder of images to a trained checkpoint."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from splittool.data.images import MAX_PIXELS, Canvas
from splittool.data.kaggle import Sample, read_folder
from splittool.data.partition import stratified_split
from splittool.errors import InputError, StoppedError, TrainingError, UsageError
from splittool.files import require_file, sha256
from splittool.interrupt import Interrupt
from splittool.models import checkpoints
from splittool.models.checkpoints import Checkpoint, PartitionRecord
from splittool.progress import Progress, counter, nobody
from splittool.reports import EpochRecord, TrainReport, file_record
from splittool.training.balance import balance_classes
from splittool.training.codec_model import fit_codec_model, mean_frame_bytes
from splittool.training.dataset import SegmentationDataset
from splittool.training.distributed import World, world
from splittool.training.event_log import event_log
from splittool.training.loop import Images, Trainer
from splittool.training.objective import Models
from splittool.training.observer import Observer, Observers
from splittool.training.outputs import Outputs
from splittool.training.precision import choose_device, choose_precision
from splittool.training.settings import RECIPES, Settings, make_settings
from splittool.training.starting import Starts, start_model
from splittool.training.state import load_state
from splittool.training.teachers import load_teachers

# Draws the curves of a history into a file, and says whether it did.
Draw = Callable[[Sequence[EpochRecord], Path], bool]


@dataclass(frozen=True)
class TrainingOptions:
    """How a run is carried out and what it starts from.

    Attributes:
        device: "cpu" or "cuda"; "auto" takes CUDA where it is available.
        workers: Processes that load images; 0 loads in this one.
        resume: Go on from the state beside the output.
        force: Replace the outputs of another run.
        backbone: Torchvision's weights that the backbone starts from; see `load_backbone`.
        start: A checkpoint of the same network and classes that all weights start from; where a
            network gets a latent, one without, from which those behind the cut start.
        teachers: Checkpoints of any networks of the same classes to learn from; see `start_model`.
        max_pixels: The largest image, height times width, that is read.
        log_dir: A folder for TensorBoard's event files, or None.
    """

    device: str = "auto"
    workers: int = 1
    resume: bool = False
    force: bool = False
    backbone: Path | None = None
    start: Path | None = None
    teachers: tuple[Path, ...] = ()
    max_pixels: int = MAX_PIXELS
    log_dir: Path | None = None


def train(
    folder: str | Path,
    output: str | Path,
    settings: Settings | None = None,
    options: TrainingOptions | None = None,
    progress: Progress = nobody,
    observer: Observer | None = None,
    draw: Draw | None = None,
) -> TrainReport:
    """Train a network on a folder in Kaggle's layout.

    Beside MODEL.pt, the best model, go MODEL.state.pt (to resume), MODEL.history.jsonl (one line
    per epoch), MODEL.validation.txt (the held-out images) and, with `draw`, MODEL.curves.png.
    Started by torchrun, all processes train one network and return the same report.

    Args:
        folder: Holds train_images/ and train.csv.
        output: The model to write, a .pt.
        settings: What decides the outcome, from `make_settings`.
        options: How the run is carried out and what it starts from.
        progress: Told how many images are checked, then how many steps are done.
        observer: Told every loss, and the record of every epoch.
        draw: Draws the curves.

    Raises:
        OutputError: An output exists or cannot be written.
        MissingExtraError: A folder for event files is given, and TensorBoard is not installed.
        InputError: The images, or a file to start from, cannot be used.
        TrainingError: The loss is not a number, the state belongs to another run, or no epoch
            could be scored.
        StoppedError: A signal arrived; the state is saved.
        DeviceError: The device is not available.
        UsageError: The settings do not fit the images or the device.
    """
    folder, output = Path(folder), Path(output)
    settings, options = settings or make_settings(), options or TrainingOptions()
    outputs = Outputs.beside(output)
    device = choose_device(options.device)
    settings = _settle(settings, options, device)
    replaces = options.resume or options.force
    with (
        outputs.claimed(options.resume, options.force),
        event_log(options.log_dir, replaces) as log,
        world(device) as processes,
    ):
        told = Observers(observer or Observer(), log)
        watchers = (progress if processes.rank == 0 else nobody, told)
        trainer = _prepare(folder, settings, options, outputs, processes, watchers)
        trainer.run()
        if trainer.best < 0:
            raise TrainingError(
                "no epoch had a validation Dice, because no held-out image has a defect;"
                " add images, or give a larger `validation`"
            )
        report = None
        if processes.rank == 0:
            drawn = draw is not None and draw(trainer.history, outputs.curves)
            frame_bytes = _add_codec_model(trainer, progress) if trainer.rate else None
            report = _report(folder, trainer, outputs.curves if drawn else None, frame_bytes)
        return processes.share(report)


def _add_codec_model(trainer: Trainer, progress: Progress) -> float:
    """Put the model of codec `learned` into the checkpoint.

    Returns:
        Bytes of the frame of a held-out image, really coded.

    Raises:
        StoppedError: A signal arrived; the state is saved, and a resumed run comes back here.
    """
    path, (training, validation) = trainer.outputs.model, trainer.whole_images
    checkpoint = checkpoints.load(path)
    network = checkpoints.restore(path, checkpoint)
    with Interrupt() as interrupt:

        def told(done: float, total: float, what: str) -> None:
            if interrupt.exit_code is not None:
                raise StoppedError(
                    f"stopped before {path} had its model of codec 'learned';"
                    f" {trainer.outputs.state} is saved",
                    interrupt.exit_code,
                )
            progress(done, total, what)

        model = fit_codec_model(network, training, told, trainer.settings.epochs)
    codec_model = torch.frombuffer(bytearray(model.to_bytes()), dtype=torch.uint8)
    msgspec.structs.replace(checkpoint, codec_model=codec_model).save(path)
    return mean_frame_bytes(model, network, validation, progress)


def _settle(settings: Settings, options: TrainingOptions, device: torch.device) -> Settings:
    """Settings with the precision that "auto" stands for, and the hashes of files to start from."""
    hashes: dict[str, str] = {}
    for field, path, fix in (
        ("backbone", options.backbone, "give a file of torchvision's weights"),
        ("start", options.start, "give a .pt of splittool train"),
    ):
        if path is not None:
            require_file(path, fix)
            hashes[field] = sha256(path)
    for path in options.teachers:
        require_file(path, "give a .pt of splittool train")
    return msgspec.structs.replace(
        settings,
        precision=choose_precision(settings.precision, device),
        teachers=[sha256(path) for path in options.teachers],
        **hashes,
    )


def _prepare(
    folder: Path,
    settings: Settings,
    options: TrainingOptions,
    outputs: Outputs,
    processes: World,
    watchers: tuple[Progress, Observer],
) -> Trainer:
    """A run that is ready for its first step, or for the one after it stopped."""
    if settings.batch_size % processes.size:
        raise UsageError(
            f"`batch_size` {settings.batch_size} does not divide over {processes.size} processes;"
            f" give a multiple of {processes.size}"
        )
    state = load_state(outputs.state) if options.resume else None
    samples, classes = read_folder(folder, options.max_pixels)
    chosen = stratified_split(samples, settings.validation, settings.seed)
    training, validation = ([samples[i] for i in part] for part in chosen)
    statistics = pixel_statistics(samples, watchers[0])
    starts = Starts(options.backbone, options.start, options.teachers)
    model = start_model(settings, starts, classes, statistics, watchers[1])
    canvas = choose_canvas(samples, settings, model.stride)
    settings = msgspec.structs.replace(settings, crop=choose_crop(settings, canvas, model.stride))
    checkpoint = Checkpoint(
        arch=settings.arch,
        options=settings.options,
        classes=list(classes),
        canvas=canvas,
        state=checkpoints.weights_of(model),
        split=PartitionRecord(*([s.path.name for s in part] for part in (training, validation))),
    )
    recipe = RECIPES[settings.recipe]
    balance = balance_classes(training, classes) if recipe.balance else None
    images = Images(
        training=SegmentationDataset(
            training,
            classes,
            canvas,
            settings.crop,
            settings.jpeg,
            focus=None if balance is None else balance.focus,
            affine=recipe.affine,
        ),
        validation=SegmentationDataset(validation, classes, canvas),
        weights=np.ones(len(training)) if balance is None else balance.weights,
        workers=options.workers,
    )
    models = Models(model, load_teachers(options.teachers, classes))
    trainer = Trainer(models, checkpoint, settings, images, outputs, processes, watchers)
    if state is not None:
        trainer.resume(state)
    return trainer


def _report(
    folder: Path, trainer: Trainer, curves: Path | None, frame_bytes: float | None
) -> TrainReport:
    settings, history, canvas = trainer.settings, trainer.history, trainer.checkpoint.canvas
    split = trainer.checkpoint.split
    assert split is not None
    return TrainReport(
        folder=str(folder),
        model=file_record(trainer.outputs.model),
        history=str(trainer.outputs.history),
        validation_list=str(trainer.outputs.validation_list),
        curves=None if curves is None else str(curves),
        settings=settings,
        device=str(trainer.world.device),
        processes=trainer.world.size,
        classes=trainer.checkpoint.classes,
        height=canvas.height,
        width=canvas.width,
        fit=canvas.fit,
        training_images=len(split.training),
        validation_images=len(split.validation),
        epochs=len(history),
        seconds=sum(record.seconds for record in history),
        seconds_per_step=sum(record.seconds_per_step for record in history) / len(history),
        best=trainer.best_record,
        last=history[-1],
        bytes_per_frame=frame_bytes,
    )


def choose_canvas(samples: list[Sample], settings: Settings, stride: int) -> Canvas:
    """The network's input size: as asked for, or around the largest image.

    Raises:
        UsageError: A size asked for is not a multiple of the network's stride, or the crop is
            larger than the images.
    """
    for option, size in (("`size`", settings.size), ("`crop`", settings.crop)):
        if size and (size[0] % stride or size[1] % stride):
            near = "x".join(str(max(stride, round(n / stride) * stride)) for n in size)
            raise UsageError(
                f"{option} {size[0]}x{size[1]}: {settings.arch} takes multiples of {stride};"
                f" give {option} {near}"
            )
    if settings.size is None:
        canvas = Canvas.around([(sample.height, sample.width) for sample in samples], stride)
    else:
        canvas = Canvas(*settings.size, "resize")
    if settings.crop and (settings.crop[0] > canvas.height or settings.crop[1] > canvas.width):
        raise UsageError(
            f"`crop` {settings.crop[0]}x{settings.crop[1]} is larger than the images'"
            f" {canvas.height}x{canvas.width}; give a smaller one"
        )
    return canvas


def choose_crop(settings: Settings, canvas: Canvas, stride: int) -> tuple[int, int] | None:
    """The window to train on: as asked for, or the recipe's where the canvas is larger.

    Returns:
        Its height and width; None for the whole canvas.
    """
    largest = RECIPES[settings.recipe].window
    if settings.crop is not None or largest is None:
        return settings.crop
    side = -(-largest // stride) * stride
    window = min(canvas.height, side), min(canvas.width, side)
    return None if window == (canvas.height, canvas.width) else window


def pixel_statistics(samples: list[Sample], progress: Progress = nobody) -> tuple[float, float]:
    """Read every image once: damage is found before training, not hours into it.

    Returns:
        Mean and standard deviation of all pixels.

    Raises:
        InputError: An image is damaged, or all pixels are the same.
    """
    advance = counter(progress, len(samples), "checking images")
    histogram = np.zeros(256, dtype=np.int64)
    with ThreadPoolExecutor() as pool:
        try:
            for counts in pool.map(_histogram, samples):
                histogram += counts
                advance()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    values = np.arange(256)
    mean = float((histogram * values).sum() / histogram.sum())
    std = float(np.sqrt((histogram * (values - mean) ** 2).sum() / histogram.sum()))
    if std == 0:
        raise InputError(f"all pixels of {samples[0].path.parent} are {mean:g}; give real images")
    return mean, std


def _histogram(sample: Sample) -> NDArray[np.int64]:
    return np.bincount(sample.image().ravel(), minlength=256)
