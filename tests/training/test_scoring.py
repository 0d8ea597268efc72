import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from splittool.data import scores
from splittool.training.scoring import tally, valid_pixels


@given(seed=st.integers(0, 999), images=st.integers(0, 3))
def test_a_batch_is_the_sum_of_its_images_without_padding(seed: int, images: int) -> None:
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn((images, 3, 6, 5), generator=random)
    sizes = torch.randint(1, 6, (images, 2), generator=random)
    valid = valid_pixels(sizes, logits)
    masks = (torch.rand(logits.shape, generator=random) < 0.3).float() * valid
    expected = np.zeros((3, scores.TALLY))
    for index, (height, width) in enumerate(sizes.tolist()):
        inner = (index, slice(None), slice(height), slice(width))
        counts = scores.count(logits[inner].numpy() > 0, masks[inner].numpy() > 0)
        expected += scores.tally(counts[None])
    assert np.array_equal(tally(logits, masks, valid).numpy(), expected)
