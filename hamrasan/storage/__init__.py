"""What is kept: ports in domain words (`ports`) and their adapters (`sqlite`)."""
