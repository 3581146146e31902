"""`python -m kfine`, the same as `kfine`."""

import os
import sys

if __name__ == "__main__":
    # `-m` puts the current folder first, where a user's random.py would be run in the place of
    # Python's own; where kfine itself is of that folder, it stays.
    here = os.getcwd()
    if sys.path[:1] in ([""], [here]) and os.path.dirname(os.path.dirname(__file__)) != here:
        del sys.path[0]
    from kfine.cli import main

    main()
