"""What a process that runs for days does differently from a command."""

import gc

GENERATIONS = (20_000, 20, 50)  # Python's own (700, 10, 10) walks all of Django's objects every few hundred messages


def settle_in() -> None:
    """Set aside what was loaded at the start, and look for cycles among the rest less often; called when ready."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GENERATIONS)
