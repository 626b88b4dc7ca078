"""What a time hangs on: how it changes with each figure, and where more of one stops to pay."""
