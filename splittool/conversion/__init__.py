"""Convert a checkpoint to OpenVINO IR."""

import splittool.models  # noqa: F401 - says what to install where PyTorch is missing
