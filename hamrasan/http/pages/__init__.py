"""Pages for people's browsers: complete in themselves, without scripts, and without a request to anywhere else."""
