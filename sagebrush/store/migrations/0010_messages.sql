CREATE TABLE message(
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which they were sent; never used again
  queue INTEGER NOT NULL REFERENCES resource(id) ON DELETE CASCADE,
  uid TEXT NOT NULL,           -- what its sender knows it by
  body TEXT NOT NULL,
  more TEXT NOT NULL,          -- JSON: what its service keeps with it
  sent REAL NOT NULL,
  visible REAL NOT NULL,       -- from when on it may be received
  expires REAL NOT NULL,       -- when it is gone, received or not
  deadline REAL,               -- when its queue's owner ends its waiting
  received INTEGER NOT NULL DEFAULT 0,  -- how often
  first REAL);                 -- when it was received first
CREATE INDEX message_visible ON message(queue, visible, id);
CREATE INDEX message_expires ON message(expires);
CREATE INDEX message_deadline ON message(queue, deadline) WHERE deadline IS NOT NULL;
