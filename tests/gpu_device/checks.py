"""Commands with a limit on their time, and the results of them: what run.py's parts are made of."""
import concurrent.futures
import json
import os
import signal
import subprocess
import threading
import time

alive, alive_lock = set(), threading.Lock()


def end_group(process):
    """The command and all that it started: a script's own children hold its output open."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def end_all():
    with alive_lock:
        for process in alive:
            end_group(process)


def run(command, timeout=600, **more):
    """Exit status, what it said, seconds. -1: no end in time, or it could not be started."""
    start, limit = time.monotonic(), max(timeout, 1)
    command = [str(c) for c in command]
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   errors="replace", start_new_session=True, **more)
    except OSError as e:
        return -1, f"{command[0]} does not start: {e}", 0.0
    with alive_lock:
        alive.add(process)
    try:
        said, _ = process.communicate(timeout=limit)
        status = process.returncode
    except subprocess.TimeoutExpired:
        end_group(process)
        said, status = process.communicate()[0], -1
        said += f"\nno end after {limit:.0f} s: {' '.join(command)}"
    finally:
        with alive_lock:
            alive.discard(process)
    if status < -1:
        said += f"\nended by signal {-status} ({signal.Signals(-status).name}): {' '.join(command)}"
    return status, said, time.monotonic() - start


class Report:
    def __init__(self, out, minutes):
        self.out, self.results, self.figures, self.lock = out, [], {}, threading.Lock()
        self.start = time.monotonic()
        self.end = self.start + minutes * 60 if minutes else float("inf")

    def left(self):
        return self.end - time.monotonic()

    def add(self, name, status, detail="", seconds=0.0):
        with self.lock:
            self.results.append({"name": name, "status": status, "detail": detail[-20000:], "seconds": round(seconds, 2)})
            lines = detail.strip().splitlines()
            print(f"{status:8} {name}" + (f" ({seconds:.1f} s)" if seconds >= 1 else "") + (f": {lines[-1]}" if lines else ""), flush=True)
            if status == "FAILED":
                print("         " + "\n         ".join(lines[-12:]), flush=True)
            self.save()

    def save(self):
        partial = f"{self.out}.part"
        with open(partial, "w") as f:
            json.dump({"seconds": round(time.monotonic() - self.start), "figures": self.figures, "results": self.results}, f, indent=1)
        os.replace(partial, self.out)

    def count(self, status):
        return sum(r["status"] == status for r in self.results)


def attempt(report, name, command, timeout=600, **more):
    """run, within the time that is left; None when that was too little, which is a result then."""
    limit = min(timeout, report.left())
    if limit < 5:
        report.add(name, "skipped", "no time left")
        return None
    status, text, seconds = run(command, limit, **more)
    if status == -1 and limit < timeout and seconds >= limit:
        report.add(name, "skipped", f"the time was up after {seconds:.0f} s of it", seconds)
        return None
    return status, text, seconds


def check(report, name, command, timeout=600, skipped=77, **more):
    """One command as one result: its last line if it ends well, all that it says if not."""
    done = attempt(report, name, command, timeout, **more)
    if not done:
        return False
    status, text, seconds = done
    text = text if status else "\n".join(text.strip().splitlines()[-1:])
    report.add(name, "ok" if status == 0 else "skipped" if status == skipped else "FAILED", text, seconds)
    return status == 0


def at_once(jobs, calls):
    """Calls that need not wait for each other."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for future in [pool.submit(*call) for call in calls]:
            future.result()
