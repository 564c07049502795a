"""The pencil box of simulated cameras: canvas, kitchen, people, and what the sensor makes of them."""
