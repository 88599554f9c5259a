"""The parts of the dock **Predict fluorescence**: what is chosen, what is done, what is said."""
