"""Any model file as one graph: export, split points, crossing tensors, the cut and its proof."""
