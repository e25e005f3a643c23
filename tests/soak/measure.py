"""What a process holds, sampled into a CSV file: memory, descriptors, threads, and the sizes of its files."""

import csv
import os
import pathlib
import time

COLUMNS = ["seconds", "life", "rss_kib", "peak_kib", "descriptors", "threads", "wal_bytes", "journal_bytes", "output_bytes", "event"]


def size(path):
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def of_process(pid):
    """VmRSS, VmHWM (KiB), open descriptors and threads; `None` if the process is not there or just ends."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        values = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if len(line.split()) > 1}
        return [int(values["VmRSS"]), int(values["VmHWM"]), len(os.listdir(f"/proc/{pid}/fd")), int(values["Threads"])]
    except (FileNotFoundError, ProcessLookupError, KeyError):
        return None


class Measure:
    """Samples of one soak. Events (kills, stops, faults) are rows of the same file."""

    def __init__(self, path, folder):
        self.folder, self.began = folder, time.monotonic()
        self.file = open(path, "w", newline="")
        self.writer = csv.writer(self.file)
        self.writer.writerow(COLUMNS)

    def seconds(self):
        return round(time.monotonic() - self.began, 1)

    def sizes(self):
        journal = self.folder / "vintner.db"
        outputs = sum(size(path) for path in self.folder.glob("events.ndjson*"))
        return [size(journal.with_name("vintner.db-wal")), size(journal), outputs]

    def sample(self, life, pid):
        held = of_process(pid)
        if held:
            self.writer.writerow([self.seconds(), life, *held, *self.sizes(), ""])

    def event(self, life, name):
        self.writer.writerow([self.seconds(), life, "", "", "", "", *self.sizes(), name])
        self.file.flush()


def read(path):
    """The rows as dictionaries; numbers are whole, what is empty is `None`."""
    with open(path, newline="") as file:
        rows = []
        for row in csv.DictReader(file):
            event = row.pop("event")
            numbers = {name: float(text) if text else None for name, text in row.items()}
            rows.append(numbers | {"event": event})
        return rows
