"""The offline side: networks, activation graphs, data, training, export. The service reads only `repository/`."""
