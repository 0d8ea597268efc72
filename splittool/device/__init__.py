"""Run models on a device, and measure how fast."""
