"""A network as text for engines that place and start its processes: Compose, Kubernetes, Slurm. Pure."""
