"""The models that are trained: sizes to layers of operators, one file per family."""
