"""Photons that travel: trains of pulses in arrays, for prepare-and-measure protocols."""
