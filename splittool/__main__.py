"""`python -m splittool`, and so `torchrun -m splittool train ...`."""

from splittool.cli.main import main

if __name__ == "__main__":
    main()
