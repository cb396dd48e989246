"""The moves between the states of an incident."""

from tocsin.incidents.values import IncidentState

MOVES: dict[IncidentState, frozenset[IncidentState]] = {
    IncidentState.OPEN: frozenset({IncidentState.CLOSED}),
    IncidentState.CLOSED: frozenset(),
}
