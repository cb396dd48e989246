"""Start the simulator: `python -m tocsin_simulator`."""

from tocsin_simulator.program import main

main()
