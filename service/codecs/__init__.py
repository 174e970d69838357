"""Bytes to contiguous arrays and back, one module for each format. None of them knows about models or HTTP."""
