-- The last number of what buckets notified of, and FIFO topics published: it grows whatever the clock does.
CREATE TABLE sequence(id INTEGER PRIMARY KEY CHECK(id=1), number INTEGER NOT NULL);
