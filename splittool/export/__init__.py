"""From a checkpoint to a graph."""
