"""What the commands do with jobs: submit them, list, follow and cancel them."""
