"""Quantise crossing tensors and pack them into bytes."""
