"""What the server needs of the machine below it: time, chance, tasks, logs, metrics and settings.

Tests replace the clock and the entropy here, and nowhere else.
"""
