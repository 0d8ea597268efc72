from pathlib import Path

import numpy as np
import pytest

from splittool.codec.tensors import TensorSpec
from splittool.split.options import LinkOptions
from splittool.split.split_network import SplitNetwork


@pytest.mark.parametrize("bits", [1, 4, 8, 16])
def test_elements_take_the_bits_asked_for(bits: int, cut_folder: Path) -> None:
    link = SplitNetwork.open(cut_folder).link(
        LinkOptions(bits=bits, codec="raw", per_channel=False)
    )
    assert set(link.bits.values()) == {bits}
    assert link.common_bits == bits
    tensors = [_noise(spec) for spec in link.specs]
    elements = sum(tensor.size for tensor in tensors)
    sent = link.encode(0, tensors)
    assert elements * bits / 8 <= len(sent) <= elements * bits / 8 + 200
    for spec, found in zip(link.specs, link.decode(sent).tensors, strict=True):
        assert len(np.unique(found)) <= 2**bits, spec.name


def _noise(spec: TensorSpec) -> np.ndarray:
    return np.random.default_rng(0).normal(size=spec.shape).astype(np.float32)
