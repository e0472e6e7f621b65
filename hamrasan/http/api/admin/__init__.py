"""The administrators' API: what operators and their programs may do."""
