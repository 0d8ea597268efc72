"""Price a network and its cuts: operations, memory, bits and links."""
