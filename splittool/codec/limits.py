"""Which precisions there are; without numpy, so that a command can refuse early."""

from splittool.errors import UsageError

MIN_BITS, MAX_BITS = 1, 16


def check_bits(bits: int) -> int:
    """Refuse precisions that make no sense.

    Raises:
        UsageError: Not from 1 to 16.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise UsageError(f"--bits {bits} is out of range; give {MIN_BITS} to {MAX_BITS}")
    return bits
