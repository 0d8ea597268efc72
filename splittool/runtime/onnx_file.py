"""ONNX files: what is in them and where, without decoding the weights."""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from splittool.errors import InputError
from splittool.files import require_file
from splittool.runtime.protobuf import DamagedError, Data, Field, fields

# Numbers of fields, as onnx.proto has them.
GRAPH, TRAINING = 7, 20  # of a model
NODE, INITIALIZER, INPUT, OUTPUT, VALUE_INFO, ANNOTATION, SPARSE = 1, 5, 11, 12, 13, 14, 15
LOCATION, EXTERNAL, IS_EXTERNAL = 14, 13, 1  # of a tensor

_LISTED = (NODE, INITIALIZER, INPUT, OUTPUT, VALUE_INFO, ANNOTATION, SPARSE)


@dataclass(frozen=True)
class Node:
    """An operation.

    Attributes:
        name: Its own name; may be empty.
        type: Its type.
        domain: Empty for ONNX's own operations.
        inputs: Names of what it reads, with what graphs inside it read from outside.
        outputs: Names of what it puts out; empty for one that is left out.
        numbers: Its attributes that are whole numbers.
        raw: The field in the file.
    """

    name: str
    type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: dict[str, int]
    raw: Data


@dataclass
class OnnxGraph:
    """The fields of a graph, by the name of what they are about.

    Attributes:
        nodes: The operations, sorted.
        initializers: Constant tensors, sparse ones as well.
        inputs: Its inputs; those of old files have the initializers among them.
        outputs: Its outputs.
        infos: Types and shapes of values between.
        annotations: How values are quantised.
        rest: Name, description and what else is said of the graph.
    """

    nodes: list[Node] = field(default_factory=list)
    initializers: dict[str, Field] = field(default_factory=dict)
    inputs: dict[str, Field] = field(default_factory=dict)
    outputs: dict[str, Field] = field(default_factory=dict)
    infos: dict[str, Field] = field(default_factory=dict)
    annotations: dict[str, Field] = field(default_factory=dict)
    rest: list[Field] = field(default_factory=list)


class OnnxFile:
    """An ONNX file, mapped into memory.

    Args:
        path: The file.

    Attributes:
        path: The file.
        model: What is said of the whole: versions, operation sets, functions, metadata.
        graph: The graph.

    Raises:
        InputError: It is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        require_file(path, "give an .onnx file")
        with path.open("rb") as file:
            try:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError:  # it is empty
                raise InputError(f"{path} is empty; export it again") from None
        try:
            found = list(fields(memoryview(self._map)))
            graphs = [each for each in found if each.number == GRAPH]
            if len(graphs) != 1:
                raise DamagedError(f"it holds {len(graphs)} graphs")
            self.model = [each for each in found if each.number not in (GRAPH, TRAINING)]
            self.graph = read_graph_fields(graphs[0].bytes)
        except (DamagedError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not an ONNX file ({error}); export it again") from None

    @cached_property
    def metadata(self) -> dict[str, str]:
        """The model's own notes, by key."""
        pairs = [_texts(each.bytes) for each in self.model if each.number == 14]
        return {pair.get(1, ""): pair.get(2, "") for pair in pairs}


def read_graph_fields(data: Data) -> OnnxGraph:
    """Sort the fields of a graph."""
    graph = OnnxGraph()
    named = {
        INITIALIZER: (8, graph.initializers),
        INPUT: (1, graph.inputs),
        OUTPUT: (1, graph.outputs),
        VALUE_INFO: (1, graph.infos),
        ANNOTATION: (1, graph.annotations),
    }
    for each in fields(data):
        if each.number == NODE:
            graph.nodes.append(read_node(each))
        elif each.number in named:
            number, group = named[each.number]
            group[_text(each.bytes, number)] = each
        elif each.number == SPARSE:
            values = next(part for part in fields(each.bytes) if part.number == 1)
            graph.initializers[_text(values.bytes, 8)] = each
        else:
            graph.rest.append(each)
    return graph


def read_node(node: Field) -> Node:
    """Read what an operation reads and puts out; most of its attributes are left alone."""
    inputs, outputs, numbers = [], [], {}
    texts = {3: "", 4: "", 7: ""}
    for each in fields(node.bytes):
        if each.number == 1:
            inputs.append(each.text)
        elif each.number == 2:
            outputs.append(each.text)
        elif each.number in texts:
            texts[each.number] = each.text
        elif each.number == 5:
            for part in fields(each.bytes):
                if part.number == 3:
                    numbers[_text(each.bytes, 1)] = part.int
                elif part.number in (6, 11):  # a graph
                    inputs += _captured(part.bytes)
    return Node(texts[3], texts[4], texts[7], tuple(inputs), tuple(outputs), numbers, node.raw)


def _captured(data: Data) -> Iterator[str]:
    """What a graph inside an operation reads from outside."""
    graph = read_graph_fields(data)
    known = {*graph.inputs, *graph.initializers}
    for node in graph.nodes:
        yield from (name for name in node.inputs if name not in known)
        known.update(node.outputs)
    yield from (name for name in graph.outputs if name not in known)


def external_place(tensor: Field, folder: Path) -> tuple[Path, int, int] | None:
    """Where the values of a tensor lie that are not in the file: file, first byte, length.

    Raises:
        InputError: They are not beside the model, or not there.
    """
    parts = list(fields(tensor.bytes)) if tensor.number == INITIALIZER else []
    if not any(part.number == LOCATION and part.int == IS_EXTERNAL for part in parts):
        return None
    pairs = [_texts(part.bytes) for part in parts if part.number == EXTERNAL]
    entries = {pair.get(1, ""): pair.get(2, "") for pair in pairs}
    path = (folder / entries.get("location", "")).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        name = _text(tensor.bytes, 8)
        raise InputError(
            f"the values of {name!r} should lie in {entries.get('location')!r} beside the model;"
            " copy all files of the model together"
        )
    start = int(entries.get("offset") or 0)
    length = int(entries.get("length") or path.stat().st_size - start)
    if start < 0 or length < 0 or start + length > path.stat().st_size:
        raise InputError(f"{path} is shorter than the model says; copy all of its files together")
    return path, start, length


def _text(data: Data, number: int) -> str:
    return next((each.text for each in fields(data) if each.number == number), "")


def _texts(data: Data) -> dict[int, str]:
    return {each.number: each.text for each in fields(data)}
