"""What happens: decides which runs are due and why, runs them, and keeps their status."""
