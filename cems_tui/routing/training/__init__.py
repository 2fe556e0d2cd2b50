"""Learning routers: `train.train` is the one machine, an order in, a checkpoint out."""
