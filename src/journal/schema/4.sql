-- The fourth layout: counters, so that no count reads a table that grows; bounded steps that survive a restart; and the state of
-- alerts, compact and forgotten in time.

-- room: bytes that a row takes in the file, its indexes included (space.rs), fixed when it is written.
ALTER TABLE batches ADD COLUMN room INTEGER NOT NULL DEFAULT 0;
ALTER TABLE held ADD COLUMN room INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dead ADD COLUMN room INTEGER NOT NULL DEFAULT 0;
UPDATE batches SET room = (SELECT 64 + CASE WHEN n <= 2000 THEN n + n / 8 + 48 ELSE (n + 4091) / 4092 * 4096 END
  FROM (SELECT LENGTH(data) AS n FROM blobs WHERE id = batches.blob));
UPDATE held SET room = (SELECT 224 + CASE WHEN n <= 2000 THEN n + n / 8 + 48 ELSE (n + 4091) / 4092 * 4096 END
  FROM (SELECT LENGTH(held.record) + COALESCE(LENGTH(held.before), 0) AS n));
UPDATE dead SET room = (SELECT 96 + CASE WHEN n <= 2000 THEN n + n / 8 + 48 ELSE (n + 4091) / 4092 * 4096 END
  FROM (SELECT LENGTH(dead.reason) + COALESCE(LENGTH(dead.path), 0) + COALESCE(LENGTH(dead.content), 0) AS n));

-- records: how many of its sequences are still there.
ALTER TABLE partitions ADD COLUMN records INTEGER NOT NULL DEFAULT 0;
UPDATE partitions SET records = (SELECT COALESCE(SUM(count), 0) FROM batches WHERE partition = partitions.id);

-- letters: dead letters whose record, or one that they may mean, lies in the batch.
ALTER TABLE batches ADD COLUMN letters INTEGER NOT NULL DEFAULT 0;
UPDATE batches SET letters = (SELECT COUNT(*) FROM dead d WHERE d.sink IS NOT NULL AND d.partition = batches.partition
    AND d.seq BETWEEN batches.first_seq AND batches.first_seq + batches.count - 1)
  + (SELECT COUNT(*) FROM dead_among m WHERE m.partition = batches.partition
    AND m.seq BETWEEN batches.first_seq AND batches.first_seq + batches.count - 1);

-- record_bytes, held_bytes, letter_bytes: sums of `room`. pinned_bytes: that of batches with letters. The others count rows.
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES
  ('record_bytes', (SELECT COALESCE(SUM(room), 0) FROM batches)),
  ('pinned_bytes', (SELECT COALESCE(SUM(room), 0) FROM batches WHERE letters > 0)),
  ('references', (SELECT COUNT(*) FROM refs)),
  ('held', (SELECT COUNT(*) FROM held)),
  ('held_bytes', (SELECT COALESCE(SUM(room), 0) FROM held)),
  ('letters', (SELECT COUNT(*) FROM dead)),
  ('letter_bytes', (SELECT COALESCE(SUM(room), 0) FROM dead));

CREATE TRIGGER batch_comes AFTER INSERT ON batches BEGIN
  UPDATE counters SET value = value + NEW.room WHERE name = 'record_bytes';
  UPDATE partitions SET records = records + NEW.count WHERE id = NEW.partition;
END;
CREATE TRIGGER batch_goes AFTER DELETE ON batches BEGIN
  UPDATE counters SET value = value - OLD.room WHERE name = 'record_bytes';
  UPDATE counters SET value = value - OLD.room WHERE name = 'pinned_bytes' AND OLD.letters > 0;
  UPDATE partitions SET records = records - OLD.count WHERE id = OLD.partition;
END;
CREATE TRIGGER batch_pinned AFTER UPDATE OF letters ON batches WHEN (OLD.letters > 0) <> (NEW.letters > 0) BEGIN
  UPDATE counters SET value = value + CASE WHEN NEW.letters > 0 THEN NEW.room ELSE -NEW.room END WHERE name = 'pinned_bytes';
END;
CREATE TRIGGER reference_comes AFTER INSERT ON refs BEGIN
  UPDATE counters SET value = value + 1 WHERE name = 'references';
END;
CREATE TRIGGER reference_goes AFTER DELETE ON refs BEGIN
  UPDATE counters SET value = value - 1 WHERE name = 'references';
END;
CREATE TRIGGER letter_comes AFTER INSERT ON dead BEGIN
  UPDATE counters SET value = value + 1 WHERE name = 'letters';
  UPDATE counters SET value = value + NEW.room WHERE name = 'letter_bytes';
  UPDATE batches SET letters = letters + 1 WHERE NEW.sink IS NOT NULL AND partition = NEW.partition
    AND first_seq = (SELECT MAX(first_seq) FROM batches WHERE partition = NEW.partition AND first_seq <= NEW.seq)
    AND first_seq + count > NEW.seq;
END;
CREATE TRIGGER letter_goes AFTER DELETE ON dead BEGIN
  UPDATE counters SET value = value - 1 WHERE name = 'letters';
  UPDATE counters SET value = value - OLD.room WHERE name = 'letter_bytes';
  UPDATE batches SET letters = letters - 1 WHERE OLD.sink IS NOT NULL AND partition = OLD.partition
    AND first_seq = (SELECT MAX(first_seq) FROM batches WHERE partition = OLD.partition AND first_seq <= OLD.seq)
    AND first_seq + count > OLD.seq;
END;
CREATE TRIGGER meant_comes AFTER INSERT ON dead_among BEGIN
  UPDATE batches SET letters = letters + 1 WHERE partition = NEW.partition
    AND first_seq = (SELECT MAX(first_seq) FROM batches WHERE partition = NEW.partition AND first_seq <= NEW.seq)
    AND first_seq + count > NEW.seq;
END;
CREATE TRIGGER meant_goes AFTER DELETE ON dead_among BEGIN
  UPDATE batches SET letters = letters - 1 WHERE partition = OLD.partition
    AND first_seq = (SELECT MAX(first_seq) FROM batches WHERE partition = OLD.partition AND first_seq <= OLD.seq)
    AND first_seq + count > OLD.seq;
END;

CREATE INDEX rejects_day ON rejects (account, day);

-- Held records by site; a site without any has no row.
CREATE TABLE held_sites (
  account INTEGER NOT NULL, site TEXT NOT NULL, records INTEGER NOT NULL, bytes INTEGER NOT NULL,
  PRIMARY KEY (account, site)) STRICT, WITHOUT ROWID;
INSERT INTO held_sites (account, site, records, bytes) SELECT account, site, COUNT(*), SUM(room) FROM held GROUP BY account, site;
CREATE INDEX held_site ON held (account, site, seq);
CREATE TRIGGER held_comes AFTER INSERT ON held BEGIN
  UPDATE counters SET value = value + 1 WHERE name = 'held';
  UPDATE counters SET value = value + NEW.room WHERE name = 'held_bytes';
  INSERT INTO held_sites (account, site, records, bytes) VALUES (NEW.account, NEW.site, 1, NEW.room)
    ON CONFLICT (account, site) DO UPDATE SET records = records + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER held_goes AFTER DELETE ON held BEGIN
  UPDATE counters SET value = value - 1 WHERE name = 'held';
  UPDATE counters SET value = value - OLD.room WHERE name = 'held_bytes';
  UPDATE held_sites SET records = records - 1, bytes = bytes - OLD.room WHERE account = OLD.account AND site = OLD.site;
  DELETE FROM held_sites WHERE account = OLD.account AND site = OLD.site AND records = 0;
END;

-- Sequences behind a sink's position that are not there any more, since they were trimmed while it was absent. What waits for a sink
-- is the rest of what lies between its position and the head.
CREATE TABLE holes (
  sink INTEGER NOT NULL, partition INTEGER NOT NULL, records INTEGER NOT NULL, PRIMARY KEY (sink, partition)) STRICT, WITHOUT ROWID;
INSERT INTO holes (sink, partition, records)
  SELECT sink, partition, head - position - there FROM (
    SELECT sink, partition, head, position,
      (SELECT COALESCE(SUM(first_seq + count - MAX(first_seq, position + 1)), 0) FROM batches b
       WHERE b.partition = all_of.partition AND first_seq + count - 1 > position)
      + (SELECT COALESCE(SUM(first_seq + count - MAX(first_seq, position + 1)), 0) FROM refs r
       WHERE r.partition = all_of.partition AND first_seq + count - 1 > position) AS there
    FROM (
      SELECT s.id AS sink, p.id AS partition, p.head AS head, COALESCE(o.seq, t.seq, 0) AS position
      FROM sinks s JOIN partitions p ON p.lane IN ('live', 'backfill', 'replayed:' || s.name)
      LEFT JOIN positions o ON o.sink = s.id AND o.partition = p.id
      LEFT JOIN starts t ON t.sink = s.id AND t.partition = p.id) all_of)
  WHERE head - position - there > 0;

-- Decisions have changed, and held records behind `after` did not follow them yet.
CREATE TABLE releases (account INTEGER PRIMARY KEY, after INTEGER NOT NULL) STRICT;

-- progress: JSON of replay::Progress, of a request that is served in steps.
ALTER TABLE requests ADD COLUMN progress TEXT;

-- sweeps: days on which both lists of alerts were read to their ends. swept_day: the latest of them.
ALTER TABLE accounts ADD COLUMN sweeps INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN swept_day INTEGER;
-- shown: `sweeps` of the account when a list last showed it, brought up to date now and then only.
ALTER TABLE alerts ADD COLUMN shown INTEGER NOT NULL DEFAULT 0;
CREATE INDEX alerts_shown ON alerts (account, shown) WHERE uid IS NULL;

-- The sources lie in the order of their alerts: by key, each new one would write, and fill badly, a page of its own.
CREATE TABLE sources (alert INTEGER PRIMARY KEY, source BLOB NOT NULL) STRICT;
INSERT INTO sources (alert, source)
  SELECT a.id, s.source FROM alerts a JOIN alert_sources s ON s.key = a.key WHERE a.uid IS NOT NULL ORDER BY a.id;
DROP TABLE alert_sources;
CREATE TRIGGER alert_goes AFTER DELETE ON alerts BEGIN DELETE FROM sources WHERE alert = OLD.id; END;
