"""The shells around a node: loop, drivers, process."""
