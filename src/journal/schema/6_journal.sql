-- Dead letters of items that no record could be made of have a bound of their own: the oldest leave.
-- rejected, rejected_bytes: how many there are, and their room. rejected_dropped: how many have left so far.
CREATE INDEX dead_rejected ON dead (id) WHERE sink IS NULL;
INSERT INTO counters (name, value) VALUES
  ('rejected', (SELECT COUNT(*) FROM dead WHERE sink IS NULL)),
  ('rejected_bytes', (SELECT COALESCE(SUM(room), 0) FROM dead WHERE sink IS NULL)),
  ('rejected_dropped', 0);
CREATE TRIGGER rejected_comes AFTER INSERT ON dead WHEN NEW.sink IS NULL BEGIN
  UPDATE counters SET value = value + 1 WHERE name = 'rejected';
  UPDATE counters SET value = value + NEW.room WHERE name = 'rejected_bytes';
END;
CREATE TRIGGER rejected_goes AFTER DELETE ON dead WHEN OLD.sink IS NULL BEGIN
  UPDATE counters SET value = value - 1 WHERE name = 'rejected';
  UPDATE counters SET value = value - OLD.room WHERE name = 'rejected_bytes';
END;

-- Gaps of one site that lie close together are one row: the newest row of a site is looked up for each new gap.
CREATE INDEX gaps_of_site ON gaps (account, site, until);
