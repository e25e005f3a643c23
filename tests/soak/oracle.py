"""Compares what the sinks hold with what the simulation served: nothing lost, nothing invented, nothing repeated without a cause.

What the file sink promises: each event once, and after a kill -9 the batch in hand (at most 1000 events) once more, under equal
ids. A file that is renamed in the middle of a batch holds that batch, and so does its successor. A stop by SIGTERM repeats nothing.
"""

import collections
import json

# Events of one batch of a sink: what one interruption may repeat.
BATCH = 1000
MOST_SHOWN = 20


class Output:
    """The lines of the file sink over all its files, each with the place where it stands."""

    def __init__(self, files, marks):
        """`marks`: for each kill, the end of the last whole line of each file at that moment, by inode."""
        self.events, self.torn, self.broken = [], 0, []
        for number, path in enumerate(files):
            inode, offset = path.stat().st_ino, 0
            for line in path.open("rb"):
                kills = sum(1 for mark in marks if offset >= mark.get(inode, 0))
                offset += len(line)
                if not line.endswith(b"\n"):
                    self.torn += 1
                    continue
                try:
                    self.events.append((number, kills, json.loads(line)))
                except ValueError as error:
                    self.broken.append(f"{path.name}: {error}: {line[:200]!r}")

    def repeats(self):
        """How often an event stands again: after a kill, after a rename, and without either (their ids)."""
        places = collections.defaultdict(list)
        for number, kills, event in self.events:
            places[event["metadata"]["uid"]].append((number, kills))
        after_kill = after_rename = 0
        without = []
        for uid, found in places.items():
            for earlier, later in zip(found, found[1:]):
                after_kill += earlier[1] != later[1]
                after_rename += earlier[1] == later[1] and earlier[0] != later[0]
                if earlier == later:
                    without.append(uid)
        return after_kill, after_rename, without


class Oracle:
    """The comparison; `faults` are what must not be."""

    def __init__(self, output, truth, settled_ms):
        self.truth, self.settled, self.faults, self.counts = truth, settled_ms, list(output.broken), collections.Counter()
        self.events = self.distinct(event for _, _, event in output.events)

    def distinct(self, events):
        """One event for each id; two events of one id must be of one record."""
        seen = {}
        for event in events:
            self.counts["events"] += 1
            uid = event["metadata"]["uid"]
            same = seen.setdefault(uid, event)
            if (record(same), same["type_uid"], same["time"]) != (record(event), event["type_uid"], event["time"]):
                self.faults.append(f"event id {uid} stands for two records")
        self.counts["distinct events"] = len(seen)
        return list(seen.values())

    def happened(self, at):
        return at is not None and at < self.settled

    def of(self, *kinds):
        """The events of the records of these kinds, by record; derived events apart."""
        found = collections.defaultdict(list)
        for event in self.events:
            if event["metadata"]["type"] in kinds and "derived" not in event["metadata"].get("labels", []):
                found[record(event)].append(event)
        return found

    def alerts(self):
        emitted = self.of("alert")
        known = {alert["uid"]: alert for alert in self.truth["alerts"]}
        self.faults += [f"alert {uid} was emitted and never was" for uid in emitted if uid not in known]
        for uid, alert in known.items():
            steps = [event["activity_id"] for event in emitted.get(uid, [])]
            again = sum(1 for step in alert["history"] if step["what"] == "reopened")
            if steps.count(1) > 1 + again or steps.count(3) > 1 + again:
                self.faults.append(f"alert {uid} was opened or closed too often: {steps}")
            if 3 in steps and (1 not in steps or steps.index(3) < steps.index(1)):
                self.faults.append(f"alert {uid} was closed before it was opened: {steps}")
            if not self.happened(alert["opened"]):
                continue
            if alert["shown_open"] or alert["shown_resolved"]:
                self.served("alerts opened", 1 in steps, alert)
            if alert["shown_resolved"] and alert["state"] == "resolved":
                self.served("alerts resolved", 3 in steps, alert)

    def activity(self):
        emitted = self.of("activity.user", "activity.device")
        known = {row["id"]: row for row in self.truth["activities"]}
        self.faults += [f"activity {uid} was emitted and never was" for uid in emitted if uid not in known]
        for uid, row in known.items():
            if len(emitted.get(uid, [])) > 1:
                self.faults.append(f"activity {uid} has {len(emitted[uid])} events")
            # A row that names no site waits for that of its device.
            may_wait = row["site"] is None and row["entity"] == "USER"
            if row["shown"] and self.happened(row["date"]) and not may_wait:
                self.served("activity rows", uid in emitted, row)

    def devices(self):
        emitted = self.of("device")
        for device in self.truth["devices"]:
            events = emitted.get(device["uid"], [])
            states = [event for event in events if event.get("status") != "Vanished"]
            if len(states) > device["shown_states"]:
                self.faults.append(f"device {device['uid']}: {len(states)} states emitted, {device['shown_states']} served")
            if device["shown_as"] and device["listed"]:
                last = states[-1]["device"] if states else {}
                place = [last.get("hostname"), last.get("org", {}).get("ou_uid")]
                self.served("devices", place == device["shown_as"], device)

    def served(self, what, is_there, item):
        self.counts[f"{what} served"] += 1
        if not is_there:
            self.counts["lost"] += 1
            self.faults.append(f"{what}: lost: {item}")

    def receiver(self, ids):
        """The receiver must hold the same events as the file."""
        own = {event["metadata"]["uid"] for event in self.events}
        self.counts["receiver: events"] = len(ids)
        self.counts["receiver: repeated"] = sum(ids.values()) - len(ids)
        self.counts["receiver: lost"] = len(own - ids.keys())
        self.faults += [f"the receiver lacks {uid}" for uid in own - ids.keys()]
        self.faults += [f"the receiver has {uid}, which the file lacks" for uid in ids.keys() - own]


def record(event):
    return event["metadata"].get("original_event_uid") or event.get("finding_info", {}).get("uid")


def blind(output, *rest):
    """Faults that are put into the output and that the comparison does not see."""
    places = output.events
    number = next(n for n, (_, _, event) in enumerate(places) if event["class_uid"] == 2004 and event["activity_id"] == 1)
    file, kills, event = places[number]
    other = json.loads(json.dumps(event).replace(record(event), "00000000-0000-0000-0000-000000000000"))
    other["metadata"]["uid"] = "invented"
    spoiled = {
        "a lost event": [place for place in places if place[2]["metadata"]["uid"] != event["metadata"]["uid"]],
        "a repeated event": [*places[:number], (file, kills, event), *places[number:]],
        "an invented event": [*places, (file, kills, other)],
        "an id that stands for two records": [*places, (file, kills + 1, event | {"time": 0})],
    }
    unseen = []
    for name, events in spoiled.items():
        output.events = events
        if not judge(output, *rest)[1]:
            unseen.append(name)
    output.events = places
    return unseen


def judge(output, truth, settled_ms, ids, kills, renames):
    """The counts and the faults."""
    oracle = Oracle(output, truth, settled_ms)
    oracle.counts["lost"] += 0
    oracle.alerts()
    oracle.activity()
    oracle.devices()
    oracle.receiver(ids)
    after_kill, after_rename, without = output.repeats()
    oracle.counts["repeated after a kill"] = after_kill
    oracle.counts["repeated after a rename"] = after_rename
    oracle.counts["repeated without a cause"] = len(without)
    oracle.faults += [f"event {uid} is repeated without a kill or a rename" for uid in without]
    if after_kill > kills * BATCH or after_rename > renames * BATCH:
        oracle.faults.append("more is repeated than one batch for each kill and each rename")
    if oracle.counts["activity rows served"] == 0 or oracle.counts["alerts opened served"] == 0:
        oracle.faults.append("nothing was served: this run shows nothing")
    return dict(oracle.counts), oracle.faults
