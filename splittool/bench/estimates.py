"""Estimates for several models, on compiled stages where the compiler can make them."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from splittool.bench.estimate import Chip, estimate
from splittool.bench.session import Subject
from splittool.errors import DeviceError, InputError
from splittool.graph.graph import read_graph
from splittool.reports import EstimateRecord
from splittool.runtime.ir import write_ir
from splittool.runtime.myriad import Blob, compile_blob
from splittool.runtime.targets import TARGETS


def estimate_all(
    chip: Chip,
    subjects: Sequence[Subject],
    compiler: Path | None,
    tick: Callable[[], object] = lambda: None,
    note: Callable[[str], None] = lambda message: None,
) -> list[EstimateRecord]:
    """Estimate models one after the other.

    Args:
        chip: The device.
        subjects: The models.
        compiler: `find_compiler()`.
        tick: Called after each.
        note: Told why a model is estimated on its operations although a compiler is here.
    """
    records = []
    for subject in subjects:
        name = subject.point or subject.source.path
        blob = None
        try:
            blob = _compile(subject, compiler) if compiler else None
        except (DeviceError, InputError) as error:
            note(f"note: {name} is estimated on its operations: {error}")
        records.append(estimate(chip, name, read_graph(subject.model), blob))
        tick()
    return records


def _compile(subject: Subject, compiler: Path) -> Blob:
    with tempfile.TemporaryDirectory(prefix="splittool-") as folder:
        path = Path(folder) / "model.xml"
        write_ir(subject.model, path, True, TARGETS["myriad"])
        return compile_blob(compiler, path, Path(folder) / "model.blob", subject.model)
