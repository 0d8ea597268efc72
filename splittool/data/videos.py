"""Frames of video files and cameras."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from splittool.data.images import Pixels
from splittool.errors import DeviceError, InputError, MissingExtraError
from splittool.files import require_file

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".m4v", ".webm", ".mpg", ".mpeg")
CAMERA = "camera:"


def is_video(name: str) -> bool:
    """Whether a name means a video file or a camera."""
    return name.startswith(CAMERA) or name.lower().endswith(VIDEO_SUFFIXES)


def video_frames(name: str, skip: int = 0) -> Iterator[tuple[str, Pixels]]:
    """The pictures of a video file, or of a camera for as long as it gives some.

    Args:
        name: A file, or "camera:" and a number or a device such as "camera:/dev/video0".
        skip: Pictures of a file to leave out at its beginning.

    Yields:
        A name for each picture, and its (H, W, 3) RGB pixels.

    Raises:
        MissingExtraError: OpenCV is not installed.
        InputError: The file is missing, or not a video that OpenCV reads.
        DeviceError: The camera is not there, or stopped giving pictures.
    """
    capture, stem = _open(name)
    is_camera = name.startswith(CAMERA)
    number = 0
    try:
        while True:
            if not is_camera and number < skip:
                if not capture.grab():
                    return
                number += 1
                continue
            good, pixels = capture.read()
            if not good:
                break
            yield f"{stem}-{number:06}", np.ascontiguousarray(pixels[..., ::-1])
            number += 1
    finally:
        capture.release()
    if is_camera:
        raise DeviceError(f"{name} gives no more pictures; check its cable")
    if not number:
        raise InputError(f"{name} holds no picture that OpenCV reads; convert it")


def _open(name: str) -> tuple[Any, str]:
    try:
        import cv2
    except ImportError:
        raise MissingExtraError(
            "video needs OpenCV, which is not installed: pip install 'splittool[video]'"
        ) from None
    if name.startswith(CAMERA):
        place = name.removeprefix(CAMERA)
        capture = cv2.VideoCapture(int(place) if place.isdecimal() else place)
        if not capture.isOpened():
            raise DeviceError(f"there is no {name}; check /dev/video*")
        return capture, "camera"
    require_file(Path(name), "check the path")
    capture = cv2.VideoCapture(name)
    if not capture.isOpened():
        raise InputError(f"{name} is not a video that OpenCV reads; convert it")
    return capture, Path(name).stem
