"""The parts of the dock **Train a model**: what is chosen, what is done, what is said."""
