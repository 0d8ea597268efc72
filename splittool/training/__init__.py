"""Train a segmentation network: data loading, loss, recipes, the loop and its checkpoints."""
