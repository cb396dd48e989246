"""What connectors of systems that are reached over HTTP share: settings, calls, pace, sign-in, one order after another."""
