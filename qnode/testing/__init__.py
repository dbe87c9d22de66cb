"""Statistical assertions for tests of protocols, for users too."""

from qnode.testing.statistics import accepted_interval, assert_frequency, assert_independent, relative_entropy

__all__ = ["accepted_interval", "assert_frequency", "assert_independent", "relative_entropy"]
