"""A cluster, from YAML to a clean exit."""
