"""llama.cpp's own HTTP server, which xllamacpp links as it is, with its defaults.

Usage: llamacpp.py MODEL.gguf NAME PORT; it runs until it is ended. Port 0 is any; the address is printed.
"""

import signal
import sys

import xllamacpp

path, name, port = sys.argv[1:]
params = xllamacpp.CommonParams()
params.model.path = path
params.model_alias = [name]
params.hostnames = ["127.0.0.1"]
params.port = int(port)
# 0, the model's own window, lets it pick a smaller one where memory is short.
params.n_ctx = 4096
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
signal.pause()
