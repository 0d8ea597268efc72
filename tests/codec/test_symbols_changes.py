import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from splittool.codec.symbols import changes, restore, symbol_type


@given(st.data(), st.integers(1, 16))
def test_changes_bring_the_symbols_back(data: st.DataObject, bits: int) -> None:
    symbols, before = (
        data.draw(hnp.arrays(symbol_type(bits), (1, 2, 9), elements=st.integers(0, 2**bits - 1)))
        for _ in range(2)
    )
    changed = changes(symbols, before, bits)
    assert changed.dtype == symbols.dtype
    assert changed.max() < 2**bits
    assert np.array_equal(restore(changed, before, bits), symbols)


def test_no_change_is_the_middle_symbol() -> None:
    before = np.arange(16, dtype=np.uint8)
    assert changes(before, before, 4).tolist() == [8] * 16
    assert changes(before[1:], before[:-1], 4).tolist() == [9] * 15
