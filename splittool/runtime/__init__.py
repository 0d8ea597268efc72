"""Put a cut on disk, run a whole model or both halves on images, score what comes out."""
