"""What users write: run specs, read, checked and answered with diagnostics. Runs nothing."""
