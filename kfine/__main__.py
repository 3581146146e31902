"""`python -m kfine`, the same as `kfine`."""

from kfine.cli import main

if __name__ == "__main__":
    main()
