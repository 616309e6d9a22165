#!/usr/bin/env python3
"""pack_tests.py SOURCES BUILD < JSON: what `ctest --show-only=json-v1` says of tests, as the list that run.py works through
where the tests are unpacked: name, command, environment, folder, seconds, the status that means skipped. {ROOT} and {BUILD} stand
for the folders. Tests that want the device are run.py's own parts; they are left out."""
import json
import sys


def main():
    sources, build = sys.argv[1:3]

    def place(text):
        return text.replace(build, "{BUILD}").replace(sources, "{ROOT}")

    tests = []
    for test in json.load(sys.stdin)["tests"]:
        properties = {p["name"]: p["value"] for p in test["properties"]}
        if "gpu_device" in properties.get("LABELS", []) or "command" not in test:  # a program that was not built has none
            continue
        tests.append({"name": test["name"], "command": [place(c) for c in test["command"]],
                      "environment": [place(e) for e in properties.get("ENVIRONMENT", [])],
                      "folder": place(properties.get("WORKING_DIRECTORY", build)), "seconds": properties.get("TIMEOUT", 600),
                      "skipped": properties.get("SKIP_RETURN_CODE", 77)})
    print(json.dumps(tests, indent=1))


if __name__ == "__main__":
    main()
