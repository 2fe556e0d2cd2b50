"""Networks that learn to route: the room where routers meet torch."""
