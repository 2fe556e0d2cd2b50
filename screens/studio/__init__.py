"""The place for pictures: prompt, price card, queue, the picture and its receipt."""
