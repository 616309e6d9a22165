"""What the tests of the command share: a folder for each test, a call of frit there, weights."""
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

FRIT = pathlib.Path(os.environ["FRIT_BIN"]) / "frit"


def safetensors(tensors):
    """A file of f32 tensors: {name: (dims, values)}."""
    header, data = {}, b""
    for name, (dims, values) in tensors.items():
        piece = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": dims, "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


class CommandTest(unittest.TestCase):
    env = {}  # beside the environment's own

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)

    def tearDown(self):
        self.temporary.cleanup()

    def frit(self, *arguments, status=0, stdin=None, env=None):
        """Standard output and standard error of `frit arguments...`, which must end with `status`."""
        done = subprocess.run([FRIT, *map(str, arguments)], capture_output=True, timeout=120, cwd=self.folder, input=stdin,
                              env={**os.environ, **self.env, **(env or {})})
        self.assertEqual(done.returncode, status, f"frit {arguments}\n{done.stdout}\n{done.stderr}")
        return done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
