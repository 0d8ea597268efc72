"""A network, read once: its split points, prices and cuts."""
