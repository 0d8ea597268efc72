"""Run a whole model or both halves on images, and score what comes out."""
