"""What both windows show: columns of figures, the price card, the list of models. Only words."""
