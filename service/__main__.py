"""`python -m service` is `actserve`."""

from service.cli import main

main()
