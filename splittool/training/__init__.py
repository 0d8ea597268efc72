"""Train a segmentation network: data loading, loss, recipes, the loop and its checkpoints."""

import splittool.models  # noqa: F401 - says what to install where PyTorch is missing
