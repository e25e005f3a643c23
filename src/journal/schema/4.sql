-- In which site each device was observed, and when: a record that names a device and no site belongs to the site of that time.
-- site: null if the device was in none. since, until: see org::stay::Stay.
CREATE TABLE stays (
  account INTEGER NOT NULL, device TEXT NOT NULL, since INTEGER NOT NULL, site TEXT, until INTEGER NOT NULL,
  PRIMARY KEY (account, device, since)) STRICT, WITHOUT ROWID;
-- Held records that wait for an observation of their device.
CREATE INDEX held_of_device ON held (account, seq) WHERE site = '"device"';
