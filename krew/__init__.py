"""What it takes to hand the plugins out through krew; see README.md."""
