"""Estimates without a device: compiled stages where the compiler is here, else the operations."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from splittool.benchmark.chips import CHIPS
from splittool.benchmark.roofline import roofline
from splittool.benchmark.workload import Model, Subject, Workload, workload
from splittool.errors import DeviceError, InputError
from splittool.graph.graph import read_graph
from splittool.progress import Progress, counter, nobody
from splittool.reports import EstimateRecord, EstimateReport
from splittool.runtime.ir import write_ir
from splittool.runtime.myriad import Blob, compile_blob, find_compiler
from splittool.runtime.targets import TARGETS


def estimate(
    models: Model | Sequence[Model] | Workload,
    chip: str = "myriad-x",
    progress: Progress = nobody,
    note: Callable[[str], None] = lambda message: None,
) -> EstimateReport:
    """Estimate frames per second on a chip that is not here; nothing is measured.

    Args:
        models: One model or several, as files or in memory.
        chip: A name of `splittool.benchmark.chips.CHIPS`.
        progress: Told after each model.
        note: Told why a model is estimated from its operations although a compiler is here.

    Raises:
        InputError: A model is not usable.
    """
    subjects = workload(models).subjects()
    compiler = find_compiler()
    advance = counter(progress, len(subjects), "estimating")
    records = []
    for subject in subjects:
        records.append(_estimate(chip, subject, compiler, note))
        advance()
    return EstimateReport(
        chip=CHIPS[chip].name,
        measured=False,
        assumptions=list(CHIPS[chip].sources),
        estimates=records,
    )


def _estimate(
    chip: str, subject: Subject, compiler: Path | None, note: Callable[[str], None]
) -> EstimateRecord:
    blob = None
    try:
        blob = _compile(subject, compiler) if compiler else None
    except (DeviceError, InputError) as error:
        note(f"note: {subject.name} is estimated on its operations: {error}")
    return roofline(CHIPS[chip], subject.name, read_graph(subject.model), blob)


def _compile(subject: Subject, compiler: Path) -> Blob:
    with tempfile.TemporaryDirectory(prefix="splittool-") as folder:
        path = Path(folder) / "model.xml"
        write_ir(subject.model, path, True, TARGETS["myriad"])
        return compile_blob(compiler, path, Path(folder) / "model.blob", subject.model)
