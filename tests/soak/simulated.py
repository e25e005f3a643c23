"""A `vintner simulate` process, and the faults that the soak puts into its answers."""

import json
import subprocess
import urllib.request

# No alert vanishes: if only a process that was killed read it, nobody can know of it any more.
WORLD = {
    "sites": 12, "devices": 120, "open_alerts": 300, "resolved_alerts": 300, "activity_history": 800, "history_days": 2,
    "alert_rate_per_hour": 1800, "resolve_rate_per_hour": 1800, "update_rate_per_hour": 900,
    "activity_rate_per_hour": 3600, "activity_delay_max_ms": 5000, "inventory_rate_per_hour": 240,
    "vanish_share": 0.0, "request_limit": 20000,
}

OPEN, RESOLVED = "/api/v2/account/alerts/open", "/api/v2/account/alerts/resolved"
LOG, DEVICES, SITES = "/api/v2/activity-logs", "/api/v2/account/devices", "/api/v2/account/sites"
LISTS = [OPEN, RESOLVED, LOG, DEVICES, SITES]

# Faults that a healthy account may show for a while. Not among them: a JSON 403 (a missing right is asked for again hourly only)
# and a 404 in the API's own words (it says that the thing is gone, which the list of what was served does not know).
ANYWHERE = [
    {"kind": "status", "status": 500}, {"kind": "status", "status": 502}, {"kind": "status", "status": 503}, {"kind": "html"},
    {"kind": "empty"}, {"kind": "reset"}, {"kind": "unauthorized", "times": 2}, {"kind": "too_many", "text": "1", "times": 2},
    {"kind": "too_many", "times": 1}, {"kind": "block_html", "times": 1}, {"kind": "block_empty", "times": 1}, {"kind": "redirect"},
    {"kind": "gzip_bomb", "times": 2}, {"kind": "huge_body", "times": 1}, {"kind": "truncate"}, {"kind": "truncate", "bytes": 1},
    {"kind": "slow_answer", "millis": 2500}, {"kind": "slow_answer", "millis": 8000, "times": 2}, {"kind": "slow_body", "millis": 3000},
]
IN_A_LIST = [
    {"kind": "next_elsewhere"}, {"kind": "next_same"}, {"kind": "next_forgets"}, {"kind": "empty_page"}, {"kind": "no_total_count"},
    {"kind": "missing_row"}, {"kind": "repeated_row"}, {"kind": "item_no_object", "times": 3}, {"kind": "item_without_id", "times": 3},
    {"kind": "item_duplicate_key", "times": 3}, {"kind": "item_invalid_utf8", "times": 3}, {"kind": "item_huge_number", "times": 3},
]
IN_THE_LOG = [{"kind": "activity_error", "path": LOG}]
NO_SUCH_PATH = {"kind": "status", "status": 404, "path": "/api/v2/alert/", "text": '{"message":"No static resource v2/alert."}'}


class Simulated:
    """The process; `hello` is the line that it prints at its start."""

    def __init__(self, vintner, seed):
        options = json.dumps(WORLD | {"seed": seed})
        command = [vintner, "simulate", "--listen", "127.0.0.1:0", "--options", options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.hello = json.loads(self.process.stdout.readline())

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self.hello["api_url"] + path, data, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def faults(self, rules):
        """Replaces all rules."""
        self.ask("/sim/faults", {"rules": rules})

    def act(self, command):
        self.ask("/sim/events", command)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def drawn(random):
    """One to three faults for a while."""
    rules = []
    for _ in range(random.choice([1, 1, 2, 3])):
        pool = random.choice([ANYWHERE, ANYWHERE, IN_A_LIST, IN_A_LIST, IN_THE_LOG, [NO_SUCH_PATH]])
        rule = dict(random.choice(pool))
        if "path" not in rule:
            rule["path"] = random.choice(LISTS if pool is IN_A_LIST else LISTS + ["/api/v2/", "/api/v2/alert/", "/auth/"])
        rule["share"] = random.choice([0.1, 0.3, 1.0])
        rules.append(rule)
    return rules
