"""Figures of reports; matplotlib is an extra, and nothing else imports it."""
