"""Write OpenVINO IR."""

import tempfile
from pathlib import Path

import openvino as ov
from openvino._offline_transformations import compress_model_transformation

from splittool.errors import OutputError
from splittool.files import replacing
from splittool.runtime.targets import Target, as_version_10, downgrade


def save_ir(model: ov.Model, path: Path, half: bool = True, target: Target | None = None) -> None:
    """Write an .xml and its .bin, the .bin first, both whole or not at all.

    Args:
        model: The graph.
        path: Where the .xml goes.
        half: Store weights in 16 bits.
        target: Older runtimes that shall read it; None for the one installed.

    Raises:
        InputError: An operation is too new for the target.
        OutputError: They cannot be written.
    """
    weights = path.with_suffix(".bin")
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=".splittool-") as folder,
        replacing(path) as xml,
        replacing(weights) as binary,
    ):
        write_ir(model, Path(folder) / path.name, half, target)
        (Path(folder) / weights.name).rename(binary)
        (Path(folder) / path.name).rename(xml)


def halve_weights(model: ov.Model) -> None:
    """Round weights to 16 bits in place, as `write_ir` does in the file."""
    compress_model_transformation(model)


def write_ir(model: ov.Model, path: Path, half: bool = True, target: Target | None = None) -> None:
    """Write an .xml and its .bin in place; arguments as of `save_ir`.

    Raises:
        InputError: An operation is too new for the target.
        OutputError: OpenVINO could not write them.
    """
    if target is not None:
        model = downgrade(model, target)
    try:
        if half:
            ov.save_model(model, path, compress_to_fp16=True)
        else:  # as it is, in half the time
            ov.serialize(model, path, path.with_suffix(".bin"))
    except RuntimeError as error:
        cause = str(error).strip().splitlines()[-1]
        raise OutputError(f"cannot write {path.name}: {cause}; free some space") from None
    if target is not None and target.ir < 11:
        as_version_10(path)
