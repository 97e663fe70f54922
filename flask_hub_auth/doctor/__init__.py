"""What is wrong with a set-up: asked of the settings, the live Hub, the services and the store."""
