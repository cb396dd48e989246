"""``python -m tocsin_gate``."""

import sys

from tocsin_gate.command import main

if __name__ == "__main__":
    sys.exit(main())
