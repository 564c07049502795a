"""The soak: cameras at the highest steady rate while everything in turn is killed or stopped; at the end, every account is checked.

`python -m tests.soak --minutes 15` (`make soak`). It runs on loopback in a temporary folder and ends by itself.
"""
