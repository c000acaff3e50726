"""What can be run: plugins, their actions and the executors. Knows nothing of run specs."""
