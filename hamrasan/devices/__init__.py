"""What somebody uses to reach this server: devices, their names, and when they were seen."""
