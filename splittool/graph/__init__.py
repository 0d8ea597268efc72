"""Any model file as one graph: split points, crossing tensors, the two halves and their proof."""
