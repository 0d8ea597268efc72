"""Split neural networks between a device and the cloud: cut, prove, price and run both halves."""

__version__ = "0.1.0"
