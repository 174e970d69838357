"""What other engines are told to run the service."""
