"""Measure networks on devices, or estimate them; say what is installed here."""
