"""The OpenVINO runtime: its core and devices, IR files, and what older runtimes read."""
