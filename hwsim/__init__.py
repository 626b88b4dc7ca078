"""hwsim: how long a model takes to train on a machine."""
