"""The load test behind `actserve bench`: requests made beforehand, sent over kept-alive connections, and counted."""
