"""What a run tells the outside while it goes on: events and metrics over MQTT, and metrics for Prometheus."""
