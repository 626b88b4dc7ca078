"""How a step is spread over devices: the plan, its memory, and its tasks with dependencies."""
