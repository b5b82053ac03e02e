-- The last sequence number of what buckets notified of: it grows whatever the clock does.
CREATE TABLE notified(id INTEGER PRIMARY KEY CHECK(id=1), sequence INTEGER NOT NULL);
