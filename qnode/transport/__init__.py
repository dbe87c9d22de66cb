"""Frames in and out: the only importer of zmq."""
