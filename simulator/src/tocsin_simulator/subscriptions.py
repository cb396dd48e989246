"""Subscriptions of the simulated account."""

from tocsin_simulator.routing import Route

ROUTES: tuple[Route, ...] = ()
