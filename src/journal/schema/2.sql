-- The second layout: the inventory is told as records (event-schema.md section 3). A journal of the first layout knows rows of
-- `devices` and `sites` of which nothing was told: they are told at the next look.

-- kind: device or site. changes: the n of its latest marker. seen, told: digest of its watched fields as last seen, and as last
-- told (null: not told). day: yyyymmdd of its latest record. antivirus, patch, reboot: the word that was last told or noted.
-- gone: 1 once a look-up did not find it. source: of a site, as last seen (that of a device is in `devices`).
CREATE TABLE items (
  account INTEGER NOT NULL, kind TEXT NOT NULL, uid TEXT NOT NULL, changes INTEGER NOT NULL, seen BLOB NOT NULL, told BLOB,
  day INTEGER, antivirus TEXT, patch TEXT, reboot TEXT, gone INTEGER NOT NULL, vanishings INTEGER NOT NULL, source BLOB,
  PRIMARY KEY (account, kind, uid)) STRICT, WITHOUT ROWID;
