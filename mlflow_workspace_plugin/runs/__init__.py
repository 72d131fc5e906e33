"""What acts on a run, by MLflow's client and a store of ours; knows no word of SDK v1's."""
