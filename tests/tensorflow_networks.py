"""TensorFlow files that tests make, from the fields of graph.proto and saved_model.proto."""

from pathlib import Path
from typing import Any

import numpy as np

from splittool.runtime.protobuf import field, message

SIZE = 16
FLOAT, INT32 = 1, 3  # of types.proto
_T = field(6, FLOAT)


def _shape(*sizes: int) -> bytes:
    return message(field(2, field(1, size)) for size in sizes)


def _integers(*values: int) -> bytes:
    return field(1, message(field(3, value) for value in values))


def _node(name: str, kind: str, *inputs: str, **attributes: bytes) -> bytes:
    parts = [field(1, name), field(2, kind), *(field(3, each) for each in inputs)]
    parts += [field(5, field(1, key) + field(2, value)) for key, value in attributes.items()]
    return field(1, message(parts))


def _constant(name: str, values: Any) -> bytes:
    array = np.asarray(values)
    kind = FLOAT if array.dtype == np.float32 else INT32
    tensor = field(1, kind) + field(2, _shape(*array.shape)) + field(4, array.tobytes())
    return _node(name, "Const", dtype=field(6, kind), value=field(8, tensor))


def _convolution(name: str, source: str, weights: str) -> bytes:
    return _node(
        name,
        "Conv2D",
        source,
        weights,
        T=_T,
        strides=_integers(1, 1, 1, 1),
        padding=field(2, "SAME"),
    )


def _graph(batch: int) -> bytes:
    """A skip connection over a pooling, channels last; a GraphDef."""
    rng = np.random.default_rng(0)
    shapes = {"w1": (3, 3, 3, 4), "w2": (3, 3, 4, 4), "w3": (1, 1, 8, 2)}
    pair, one = _integers(1, 2, 2, 1), np.int32
    return message(
        [
            _node("pixels", "Placeholder", dtype=_T, shape=field(7, _shape(batch, SIZE, SIZE, 3))),
            *(_constant(n, rng.standard_normal(s).astype(np.float32)) for n, s in shapes.items()),
            _constant("sizes", np.array([SIZE, SIZE], one)),
            _constant("axis", np.array(3, one)),
            _convolution("first", "pixels", "w1"),
            _node("skip", "Relu", "first", T=_T),
            _node(
                "pool", "MaxPool", "skip", T=_T, ksize=pair, strides=pair, padding=field(2, "SAME")
            ),
            _convolution("middle", "pool", "w2"),
            _node("up", "ResizeNearestNeighbor", "middle", "sizes", T=_T),
            _node(
                "both", "ConcatV2", "up", "skip", "axis", T=_T, N=field(3, 2), Tidx=field(6, INT32)
            ),
            _convolution("last", "both", "w3"),
            _node("maps", "Sigmoid", "last", T=_T),
        ]
    )


def frozen_graph(path: Path, batch: int = 1) -> Path:
    """A .pb file; batch -1 leaves the first size open."""
    path.write_bytes(_graph(batch))
    return path


def saved_model(folder: Path) -> Path:
    """A SavedModel folder, whose weights are in the graph, as freezing leaves them."""
    folder.mkdir()

    def port(name: str, channels: int) -> bytes:
        info = field(1, f"{name}:0") + field(2, FLOAT) + field(3, _shape(1, SIZE, SIZE, channels))
        return field(1, name) + field(2, info)

    signature = message(
        [
            field(1, port("pixels", 3)),
            field(2, port("maps", 2)),
            field(3, "tensorflow/serving/predict"),
        ]
    )
    named = field(1, "serving_default") + field(2, signature)
    meta = field(1, field(4, "serve")) + field(2, _graph(1)) + field(5, named)
    (folder / "saved_model.pb").write_bytes(field(1, 1) + field(2, meta))
    return folder
