"""A split network: the files of a cut, head, link and tail, calibration, and the one evaluation."""
