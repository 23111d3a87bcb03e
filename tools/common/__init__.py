"""What several tools and the end-to-end tests use. It imports nothing of theirs."""
