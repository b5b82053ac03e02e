-- Who holds, or waits for, a share of this host; `key` is the backend's name of the process tree.
CREATE TABLE reservation(
  key TEXT PRIMARY KEY, row_id INTEGER NOT NULL,
  cpu REAL NOT NULL, memory INTEGER NOT NULL,
  held INTEGER NOT NULL,      -- 0: waiting
  since REAL NOT NULL, seq INTEGER NOT NULL);
CREATE INDEX reservation_row ON reservation(row_id);
CREATE INDEX reservation_queue ON reservation(held, seq);
-- The most memory that jobs of an image have used on an instance type.
CREATE TABLE peak(image TEXT NOT NULL, instance TEXT NOT NULL, bytes INTEGER NOT NULL,
  PRIMARY KEY(image, instance));
