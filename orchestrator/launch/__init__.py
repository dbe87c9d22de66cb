"""Starting processes: the only importer of subprocess."""
