-- Records that a dead letter may mean besides its own: a receiver refused a part of a request and did not say which.
CREATE TABLE dead_among (
  dead INTEGER NOT NULL, partition INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (dead, partition, seq)) STRICT, WITHOUT ROWID;
CREATE INDEX dead_among_place ON dead_among (partition, seq);
CREATE TRIGGER dead_gone AFTER DELETE ON dead BEGIN DELETE FROM dead_among WHERE dead = OLD.id; END;

-- What became of the newest requests, for the commands that left them: JSON of requests::Served.
CREATE TABLE answers (request INTEGER PRIMARY KEY, answer TEXT NOT NULL) STRICT;
