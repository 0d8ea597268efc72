"""OpenVINO's core: one for the whole process."""

from functools import cache

import openvino as ov


@cache
def core() -> ov.Core:
    """The core that reads, compiles and runs every model.

    Never a second one: each core's CPU plugin lends the thread a signal stack and, when it is
    closed, puts back the one it found. Of two cores closed in the order they were opened, the
    second puts back the stack that the first has freed, and the next Ctrl-C is a segmentation
    fault (seen with OpenVINO 2026.4).
    """
    return ov.Core()
