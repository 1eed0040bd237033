"""What scripts/check-k8s asks of rendered manifests."""
