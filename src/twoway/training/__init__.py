"""Training: iterations, averages, run folders, checkpoints, several processes."""
