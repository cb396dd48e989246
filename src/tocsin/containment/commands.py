"""Everything that changes containment: plans, the gate's list, steps on connected systems, facts of done."""

__all__: list[str] = []
