-- What is known of a clock that was set back: timers were moved with it, the history of executions was not.
-- Versions before this one read positions without their pages (`asl.pages`), and must not open this store.
CREATE TABLE clock(
  id INTEGER PRIMARY KEY CHECK(id=1),
  beyond REAL NOT NULL,         -- times up to this one may be of the clock as it was
  at REAL NOT NULL);            -- the time to which it was set back
