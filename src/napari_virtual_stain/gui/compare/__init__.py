"""The parts of the dock **Compare**."""
