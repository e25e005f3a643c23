-- The fifth layout: where devices were.

-- In which site each device was observed, and when: a record that names a device and no site belongs to the site of that time.
-- site: null if the device was in none. since, until: see org::stay::Stay.
CREATE TABLE stays (
  account INTEGER NOT NULL, device TEXT NOT NULL, since INTEGER NOT NULL, site TEXT, until INTEGER NOT NULL,
  PRIMARY KEY (account, device, since)) STRICT, WITHOUT ROWID;
-- Held records that wait for an observation of their device.
CREATE INDEX held_of_device ON held (account, seq) WHERE site = '"device"';

-- A held record whose site is settled counts for that site from then on.
CREATE TRIGGER held_settles AFTER UPDATE OF site, room ON held BEGIN
  UPDATE counters SET value = value - OLD.room + NEW.room WHERE name = 'held_bytes';
  UPDATE held_sites SET records = records - 1, bytes = bytes - OLD.room WHERE account = OLD.account AND site = OLD.site;
  DELETE FROM held_sites WHERE account = OLD.account AND site = OLD.site AND records = 0;
  INSERT INTO held_sites (account, site, records, bytes) VALUES (NEW.account, NEW.site, 1, NEW.room)
    ON CONFLICT (account, site) DO UPDATE SET records = records + 1, bytes = bytes + excluded.bytes;
END;
