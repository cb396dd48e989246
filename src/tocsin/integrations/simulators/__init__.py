"""The simulated outside world a rehearsal runs on: started here, asked what it received, stopped."""
