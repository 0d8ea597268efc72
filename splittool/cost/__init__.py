"""Price a network and its cuts: operations, memory, bits, links, rates; and the best cut."""
