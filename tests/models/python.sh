#!/bin/sh
# Runs a script of this folder with the Python that has the packages of tests/requirements.txt, when there is one.
folder=$(dirname "$0")
python=$FRIT_BUILD/venv/bin/python
[ -x "$python" ] || python=python3
exec "$python" "$folder/$@"
