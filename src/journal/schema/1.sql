-- The journal's first layout (architecture.md section 2). Times are milliseconds since 1970.

-- id: the journal's id. decisions: version of policy, accounts and sites. policy: JSON of org::Policy.
CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta (name, value) VALUES ('decisions', 0);

-- account: JSON of inventory::Account, null until the account was opened.
CREATE TABLE accounts (id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, account TEXT, user_activity_org TEXT) STRICT;

-- lane: live, backfill, held, replayed:<sink>. head: the last sequence given out; it never goes back, rows never go.
CREATE TABLE partitions (
  id INTEGER PRIMARY KEY, account INTEGER NOT NULL, lane TEXT NOT NULL, head INTEGER NOT NULL, UNIQUE (account, lane)) STRICT;

-- A page's records of one lane. bytes: of the uncompressed NDJSON. The blobs lie apart, so that counting is quick.
CREATE TABLE batches (
  partition INTEGER NOT NULL, first_seq INTEGER NOT NULL, count INTEGER NOT NULL, taken_at INTEGER NOT NULL,
  bytes INTEGER NOT NULL, blob INTEGER NOT NULL, PRIMARY KEY (partition, first_seq)) STRICT, WITHOUT ROWID;
CREATE TABLE blobs (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

-- Records of unknown organization. lane: where they go when released. dated: of the key in `seen`, for what is no alert.
-- before: the alert's state before the record, null if it was not known.
CREATE TABLE held (
  account INTEGER NOT NULL, seq INTEGER NOT NULL, alert BLOB, lane TEXT NOT NULL, site TEXT NOT NULL, severity INTEGER,
  taken_at INTEGER NOT NULL, dated INTEGER, before BLOB, record BLOB NOT NULL, PRIMARY KEY (account, seq)) STRICT;
CREATE INDEX held_alert ON held (alert, seq) WHERE alert IS NOT NULL;
CREATE INDEX held_taken ON held (taken_at);

-- key: 16 bytes of SHA-256 over account and alertUid. uid: only while it is seen open. lane: of its first record.
-- The rows lie in the order of their arrival: by key, every new alert would write a page of its own.
CREATE TABLE alerts (
  id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, account INTEGER NOT NULL, uid TEXT, lane TEXT, state BLOB NOT NULL) STRICT;
-- The source of each alert that is seen open, apart so that looking states up stays quick.
CREATE TABLE alert_sources (key BLOB PRIMARY KEY, source BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_open ON alerts (account) WHERE uid IS NOT NULL;

-- Keys of records that are no alerts, and of rejected items, by day, so that old ones go together.
CREATE TABLE seen (
  account INTEGER NOT NULL, day INTEGER NOT NULL, key BLOB NOT NULL, PRIMARY KEY (account, day, key)) STRICT, WITHOUT ROWID;
CREATE TABLE rejects (
  account INTEGER NOT NULL, key BLOB NOT NULL, day INTEGER NOT NULL, PRIMARY KEY (account, key)) STRICT, WITHOUT ROWID;

CREATE TABLE sites (
  account INTEGER NOT NULL, uid TEXT NOT NULL, site TEXT NOT NULL, PRIMARY KEY (account, uid)) STRICT, WITHOUT ROWID;
CREATE TABLE devices (
  account INTEGER NOT NULL, uid TEXT NOT NULL, id INTEGER, digest BLOB NOT NULL, device BLOB NOT NULL,
  PRIMARY KEY (account, uid)) STRICT;
CREATE INDEX devices_id ON devices (account, id) WHERE id IS NOT NULL;

CREATE TABLE cursors (
  account INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (account, name)) STRICT, WITHOUT ROWID;
CREATE TABLE memory (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- missed: records that were trimmed while the sink was not configured.
CREATE TABLE sinks (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, present INTEGER NOT NULL, missed INTEGER NOT NULL) STRICT;
CREATE TABLE starts (
  sink INTEGER NOT NULL, partition INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (sink, partition)) STRICT, WITHOUT ROWID;
-- id: of the Kafka batch that moved it there, null for other sinks.
CREATE TABLE positions (
  sink INTEGER NOT NULL, partition INTEGER NOT NULL, seq INTEGER NOT NULL, id BLOB,
  PRIMARY KEY (sink, partition)) STRICT, WITHOUT ROWID;
-- intent: JSON of intent::Intent.
CREATE TABLE intents (sink INTEGER PRIMARY KEY, intent TEXT NOT NULL) STRICT;

-- sink: null for an item that no record could be made of; then path and content are its own, else partition and seq name the record.
CREATE TABLE dead (
  id INTEGER PRIMARY KEY AUTOINCREMENT, sink INTEGER, account INTEGER NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL,
  at INTEGER NOT NULL, partition INTEGER, seq INTEGER, replay INTEGER NOT NULL, path TEXT, content BLOB) STRICT;
CREATE UNIQUE INDEX dead_once ON dead (sink, partition, seq, replay) WHERE sink IS NOT NULL;
CREATE INDEX dead_place ON dead (partition, seq) WHERE sink IS NOT NULL;

-- References of replayed:<sink>: `count` records from `place_seq` on, all of one batch. replay: the request's number.
CREATE TABLE refs (
  partition INTEGER NOT NULL, first_seq INTEGER NOT NULL, count INTEGER NOT NULL, place INTEGER NOT NULL,
  place_seq INTEGER NOT NULL, replay INTEGER NOT NULL, asked_at INTEGER NOT NULL,
  PRIMARY KEY (partition, first_seq)) STRICT, WITHOUT ROWID;
CREATE INDEX refs_place ON refs (place, place_seq);
CREATE TABLE requests (id INTEGER PRIMARY KEY AUTOINCREMENT, request TEXT NOT NULL, asked_at INTEGER NOT NULL) STRICT;

CREATE TABLE spans (
  account INTEGER NOT NULL, stream TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL,
  PRIMARY KEY (account, stream, since)) STRICT, WITHOUT ROWID;
CREATE TABLE gaps (
  id INTEGER PRIMARY KEY, account INTEGER NOT NULL, site TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL,
  records INTEGER NOT NULL) STRICT;
CREATE TABLE delivered (
  sink INTEGER NOT NULL, partition INTEGER NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
  version INTEGER NOT NULL, sent INTEGER NOT NULL, skipped INTEGER NOT NULL, dead INTEGER NOT NULL,
  PRIMARY KEY (sink, partition, first_seq)) STRICT, WITHOUT ROWID;
CREATE TABLE drift (
  account INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, count INTEGER NOT NULL, sample TEXT NOT NULL,
  first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, PRIMARY KEY (account, kind, name)) STRICT, WITHOUT ROWID;
