"""The protocols that the field talks about, a file each, like the textbook."""
