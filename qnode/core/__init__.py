"""What a node is, without a loop, a clock or a socket."""
