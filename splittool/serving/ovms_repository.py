"""A baked cut as a model repository of OpenVINO Model Server, which runs its tail as it is."""

import json
from pathlib import Path
from typing import Any

from splittool.errors import InputError
from splittool.files import describe
from splittool.reports import RepositoryReport
from splittool.serving.models import Place
from splittool.serving.repository import Content, describe_repository, write_repository
from splittool.split.split_network import SplitNetwork, read_half

_CONFIG = "config.json"
_LIST = "model_config_list"


def export_ovms(cut: str | Path, folder: str | Path, force: bool = False) -> RepositoryReport:
    """Write a model repository with the tail of one baked cut.

    Its head puts out tensors of bytes, which go to the server under the same names, without a
    frame or a codec.

    Args:
        cut: A cut.json or its folder.
        folder: The repository; other models in it, and in its config.json, stay.
        force: Replace files of this model that exist.

    Raises:
        InputError: The cut is damaged or not baked, or there is a config.json of something else.
        OutputError: The files exist or cannot be written.
    """
    place, folder = Place.parse(str(cut)), Path(folder)
    report = SplitNetwork.open(place.path).report
    if report.baked is None:
        raise InputError(
            f"{place.path} is not baked: its tail takes numbers that only splittool decodes; bake"
            f" it first: splittool cut {place.path} --bake-bits 8 -o baked/"
        )
    read_half(place.path, report.tail)
    version = f"{place.name}/{place.version}"
    # Weights before the graph that names them, the configuration last.
    files: dict[str, Content] = {
        f"{version}/model{Path(record.path).suffix}": place.path.parent / record.path
        for record in report.tail
    }
    files[_CONFIG] = _configuration(folder / _CONFIG, place.name)
    write_repository(folder, files, rewritten=[_CONFIG], force=force)
    return describe_repository(place, "ovms", folder, files)


def _configuration(path: Path, name: str) -> bytes:
    """A config.json with one more model; paths in it are relative to it."""
    found = _read(path) if path.exists() else {_LIST: []}
    entry = {"config": {"name": name, "base_path": name}}
    others = [each for each in found[_LIST] if each["config"]["name"] != name]
    return (json.dumps({**found, _LIST: [*others, entry]}, indent=2) + "\n").encode()


def _read(path: Path) -> dict[str, Any]:
    """A configuration that is there.

    Raises:
        InputError: It is something else.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        if all(isinstance(each["config"]["name"], str) for each in found[_LIST]):
            return found
        why = "a model has no name"
    except OSError as error:
        why = describe(error)
    except (ValueError, KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
    raise InputError(
        f"{path} is not a configuration of OpenVINO Model Server ({why}); write elsewhere with"
        " `output`"
    )
