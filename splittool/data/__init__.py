"""Images and masks: Kaggle's Severstal layout, run lengths, canvases, scores, synthetic steel."""
