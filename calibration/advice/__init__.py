"""Which measurements would narrow an estimate most."""
