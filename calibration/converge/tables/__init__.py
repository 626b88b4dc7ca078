"""Laws of published tables: steps to a target by batch, by model size and by loss."""
