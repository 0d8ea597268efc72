"""Convert a checkpoint to OpenVINO IR or ONNX."""

import splittool.models  # noqa: F401 - says what to install where PyTorch is missing
