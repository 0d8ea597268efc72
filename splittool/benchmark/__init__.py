"""Measure networks on devices, or estimate them; what is installed here."""
