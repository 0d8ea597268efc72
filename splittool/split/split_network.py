"""A split network: the cut on disk, with its head, its link and its tail."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import openvino as ov

from splittool.data.images import Canvas
from splittool.data.samples import Picture, Pictures, Truth
from splittool.errors import InputError, NoMapsError, UsageError
from splittool.files import refuse_existing, sha256, write_bytes
from splittool.graph.halves import Halves
from splittool.graph.reading import load_model
from splittool.progress import Progress, nobody
from splittool.reports import (
    CalibrationReport,
    CutReport,
    FileRecord,
    InferReport,
    encode,
    file_record,
    read_report,
)
from splittool.runtime.ir import ModelInfo
from splittool.split.agreement import hold_head, hold_tail
from splittool.split.answer import Answer, answer
from splittool.split.baked import BakedBits, bake
from splittool.split.bit_search import Judge, search_bits
from splittool.split.calibration import Bits, CalibrationOptions, calibrate
from splittool.split.calibration_file import FILE_NAME, with_ranges
from splittool.split.engines import open_engine
from splittool.split.evaluation import Task, class_names, image_task, make_task, one_image
from splittool.split.files import DESCRIPTION
from splittool.split.link import Link, cut_specs, open_link
from splittool.split.options import LinkOptions, RunOptions
from splittool.split.outputs import AnyHalves, compare_outputs, output_name
from splittool.split.prediction import Subject, predict
from splittool.split.runners import (
    Device,
    HeadRunner,
    SplitRunner,
    TailRunner,
    canvas_of,
)
from splittool.vocabulary import RangesMethod

RUN, LINK = RunOptions(), LinkOptions()


class SplitNetwork:
    """A cut on disk; open one with `splittool.open`.

    Args:
        path: The cut.json.
        report: What it says.

    Attributes:
        path: The cut.json; head, tail and calibration are beside it.
        report: What it says: split point, crossing tensors, prices, proof.
        info: What the network says about itself.
    """

    def __init__(self, path: Path, report: CutReport) -> None:
        self.path, self.report = path, report
        self.info = ModelInfo(classes=report.classes, fit=report.fit)
        self._last: tuple[RunOptions, LinkOptions, SplitRunner] | None = None

    @staticmethod
    def open(path: str | Path) -> "SplitNetwork":
        """Read a cut.json, or the one in a folder.

        Raises:
            InputError: It is missing or damaged.
        """
        path = Path(path)
        path = path / DESCRIPTION if path.is_dir() else path
        return SplitNetwork(path, read_report(path, CutReport))

    @property
    def point(self) -> str:
        """The split point."""
        return self.report.split.point

    @property
    def halves(self) -> Halves:
        """Head and tail as models, after comparing the files with what the cut recorded.

        Raises:
            InputError: A file is missing or not the one that was verified, or cut.json says
                something else than the halves do.
        """
        return Halves(self._read_head(), self._read_tail())

    def _read_head(self) -> ov.Model:
        model = read_half(self.path, self.report.head)
        hold_head(self.path, self.report, model)
        return model

    def _read_tail(self) -> ov.Model:
        model = read_half(self.path, self.report.tail)
        hold_tail(self.path, self.report, model)
        return model

    def head(self, options: RunOptions = RUN) -> HeadRunner:
        """The head on its device.

        Raises:
            InputError: It is missing, not the one that was verified, or takes no image.
            DeviceError: The device is not there.
        """
        model = self._read_head()
        specs = cut_specs(self.path, self.report)
        file = self._onnx_file(self.report.head, options)
        return HeadRunner(self.path, model, self.info, specs, options, file)

    def tail(self, head: Device, options: RunOptions = RUN) -> TailRunner:
        """The tail on its device.

        Raises:
            InputError: It is missing, not the one that was verified, or puts out no maps.
        """
        file = self._onnx_file(self.report.tail, options)
        device = options.tail_device
        return TailRunner(self._read_tail(), head, options.precision, device, file)

    def _onnx_file(self, files: Sequence[FileRecord], options: RunOptions) -> Path | None:
        """A half's file where ONNX Runtime is to run it."""
        every = (*self.report.head, *self.report.tail)
        if options.runtime == "openvino":
            return None
        if not any(record.path.endswith(".onnx") for record in every):
            raise UsageError(
                f"`runtime` onnxruntime runs .onnx halves, and those of {self.path} are OpenVINO's;"
                " cut with `target` onnx"
            )
        name = files[-1].path
        return self.path.parent / name if name.endswith(".onnx") else None

    def link(self, options: LinkOptions = LINK) -> Link:
        """Both ends of the link; see `splittool.split.link.open_link`."""
        return open_link(self.path, self.report, options)

    def runner(self, options: RunOptions = RUN, link: LinkOptions = LINK) -> SplitRunner:
        """Head, link and tail, ready to run; the last one is kept for the next call."""
        if self._last is None or self._last[:2] != (options, link):
            opened = self.link(link)
            head = self.head(options)
            tail = self.tail(head, options)
            runner = SplitRunner(head, opened, tail, options.beside_whole)
            self._last = (options, link, runner)
        return self._last[2]

    def run(
        self,
        image: Picture,
        bits: Bits | None = None,
        codec: str | None = None,
        options: RunOptions = RUN,
        link: LinkOptions = LINK,
    ) -> Answer:
        """Send one image through head, link and tail.

        Args:
            image: A file, a PIL image, or uint8 pixels (H, W) or (H, W, 3).
            bits: Bits of each element on the link, in place of what `link` says.
            codec: The codec, in place of what `link` says.
            options: Where and how both halves run.
            link: How crossing tensors are sent.

        Raises:
            InputError: The image, the cut or its calibration is not usable.
            UsageError: Bits or codec make no sense for this cut.
            DeviceError: The device is not there.
        """
        runner = self.runner(options, _changed(link, bits, codec))
        pixels = one_image(image)
        canvas = canvas_of(runner, options.fit)
        classes = class_names(self.info.classes, None, runner.maps)
        return answer(runner, pixels, canvas, classes, options.threshold)

    def evaluate(
        self,
        images: Pictures,
        bits: Bits | None = None,
        labels: Truth = None,
        folder: str | Path | None = None,
        options: RunOptions = RUN,
        link: LinkOptions = LINK,
        progress: Progress = nobody,
    ) -> InferReport:
        """Send images through head, link and tail; count bytes, and score masks against labels.

        A network that draws no masks is not scored: its outputs are held against those of the
        whole network.

        Args:
            images: Folders, files, .txt lists, PIL images or uint8 arrays; one or several.
            bits: Bits of each element on the link, in place of what `link` says.
            labels: True masks: a train.csv, or a (C, H, W) array for each image. None takes the
                train.csv beside the images where there is one; False scores nothing.
            folder: Where masks, overlays, predictions.csv and report.json go; None writes nothing.
            options: Where and how both halves run.
            link: How crossing tensors are sent.
            progress: Told after each image.

        Raises:
            InputError: An image, the labels, the cut or its calibration is not usable.
            UsageError: Bits or codec make no sense for this cut.
            OutputError: A file cannot be written.
            DeviceError: The device is not there.
        """
        target = None if folder is None else Path(folder)
        link = _changed(link, bits, None)
        try:
            runner = self.runner(options, link)
        except NoMapsError:
            if labels is not None and labels is not False:
                raise
            halves = self.any_halves(options, link)
            task = image_task(images, halves.head, options)
            return compare_outputs(halves, task, options, target, progress)
        task = make_task(images, labels, runner, options)
        subject = Subject(file_record(self.path), runner, self.point)
        return predict(subject, task, options, target, progress)

    def any_halves(self, options: RunOptions = RUN, link: LinkOptions = LINK) -> AnyHalves:
        """Both halves and the link, of a network that draws masks or not.

        Raises:
            InputError: The cut or its calibration is not usable.
            UsageError: Bits or codec make no sense for this cut.
            DeviceError: The device is not there.
        """
        head, tail = self.head(options), self._read_tail()
        file = self._onnx_file(self.report.tail, options)
        engine = open_engine(tail, options.tail_device, options.precision, file)
        names = [output_name(port) for port in tail.outputs]
        record = file_record(self.path)
        return AnyHalves(record, self.point, head, self.link(link), engine, names)

    def calibrate(
        self,
        images: Pictures,
        bits: Sequence[Bits] | None = None,
        how: CalibrationOptions | RangesMethod = "best",
        labels: Truth = None,
        output: str | Path | None = None,
        force: bool = False,
        progress: Progress = nobody,
    ) -> CalibrationReport:
        """Choose the quantiser's ranges from images, and write them beside the cut.

        Args:
            images: Images like those that will be sent; not those to be scored.
            bits: The precisions to choose ranges for; None is the usual ones.
            how: How ranges are chosen.
            labels: True masks, for a search for the fewest bits.
            output: The file to write; calibration.json beside the cut by default.
            force: Replace it if it exists.
            progress: Told after each image.

        Raises:
            InputError: An image, the cut or the labels are not usable, or the search finds nothing.
            OutputError: The file exists or cannot be written.
        """
        options = how if isinstance(how, CalibrationOptions) else CalibrationOptions(method=how)
        target = self.path.parent / FILE_NAME if output is None else Path(output)
        names = [record.name for record in self.report.split.tensors]
        choices = options.choices(bits, names)
        refuse_existing([target], force)
        head = self.head(options.run)
        tail = None if options.max_dice_loss is None else self.tail(head)
        if tail is None:
            task = image_task(images, head, options.run)
        else:
            runner = SplitRunner(head, self.link(LinkOptions(ranges="frame")), tail)
            task = _require_labels(make_task(images, labels, runner, options.run))
        report = calibrate(self.path, head, task, choices, options, progress)
        if tail is not None and options.max_dice_loss is not None:
            judge = Judge(head, tail, with_ranges(report, head.specs, self.path), task)
            report.search = search_bits(judge, options.max_dice_loss, progress)
        write_bytes(target, encode(report))
        self._last = None  # its link had other ranges
        return report

    def bake(
        self,
        bits: BakedBits,
        folder: str | Path,
        tolerance: float = 1e-5,
        force: bool = False,
    ) -> "SplitNetwork":
        """Write a cut whose halves hold the calibrated quantiser: bytes cross in place of numbers.

        Args:
            bits: 8, or 4 with two elements in a byte.
            folder: Where the new cut goes.
            tolerance: Largest difference allowed, as a share of the output's range.
            force: Replace files that exist.

        Raises:
            InputError: The cut is not calibrated for these bits, or baked already.
            VerificationError: The new halves do not compute what the codec does.
            OutputError: The files exist or cannot be written.
        """
        if bits not in (4, 8):
            raise UsageError(f"a quantiser of {bits} bits cannot be baked; give 8 or 4")
        report = bake(self.path, self.halves, bits, tolerance, Path(folder), force)
        return SplitNetwork(Path(folder) / DESCRIPTION, report)

    def canvas(self, options: RunOptions = RUN) -> Canvas:
        """What images are fitted to."""
        _, _, height, width = self.report.input.shape
        return Canvas(height, width, options.fit or self.info.fit)

    def _repr_html_(self) -> str:
        return self.report._repr_html_()


def _require_labels(task: Task) -> Task:
    if not task.labelled:
        raise InputError("`auto_bits` measures Dice, which needs labels; give `labels`")
    return task


def _changed(link: LinkOptions, bits: Bits | None, codec: str | None) -> LinkOptions:
    """Options of the link, with what was given in their place."""
    return replace(
        link,
        bits=link.bits if bits is None else bits,
        codec=link.codec if codec is None else codec,
    )


def read_half(path: Path, files: list[FileRecord]) -> ov.Model:
    """One half of a cut, after comparing its files with what the cut recorded.

    Args:
        path: The cut.json.
        files: The records of the half's files.

    Raises:
        InputError: A file is missing or not the one that was verified.
    """
    for record in files:
        file = path.parent / record.path
        if not file.is_file():
            raise InputError(f"there is no file {file}, which {path} names; make the cut again")
        if file.stat().st_size != record.bytes or sha256(file) != record.sha256:
            raise InputError(
                f"{file} is not the one that {path} was verified with; make the cut again"
            )
    graphs = (path.parent / r.path for r in files if r.path.endswith((".xml", ".onnx")))
    return load_model(next(graphs))
