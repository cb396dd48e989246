"""What a process that runs for days does differently from a command."""

import atexit
import gc

GENERATIONS = (20_000, 20, 50)  # Python's own (700, 10, 10) walks all of Django's objects every few hundred messages


def settle_in() -> None:
    """Set aside what was loaded at the start, and look for cycles among the rest less often; called when ready."""
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # libraries that count what is left at the end would complain of all of it
    gc.set_threshold(*GENERATIONS)
