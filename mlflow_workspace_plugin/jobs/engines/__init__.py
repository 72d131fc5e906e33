"""What starts runners: this machine, a Ray cluster, Slurm, and what others plug in."""
