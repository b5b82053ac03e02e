CREATE TABLE event(
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which they happened; never used again
  uid TEXT NOT NULL,           -- the event's own id
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  source TEXT NOT NULL,
  detail_type TEXT NOT NULL,
  detail TEXT NOT NULL,        -- JSON
  resources TEXT NOT NULL,     -- JSON: a list of ARNs
  at REAL NOT NULL,
  due REAL NOT NULL DEFAULT 0, -- from when on its deliveries may be made
  failures INTEGER NOT NULL DEFAULT 0);
CREATE INDEX event_due ON event(due, id);
CREATE TABLE delivery(
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which they were made; never used again
  lane TEXT NOT NULL,          -- the target, and the message group where that keeps an order
  payload TEXT NOT NULL,
  terms TEXT NOT NULL,         -- JSON: the target, who sends, for how long
  made REAL NOT NULL,
  due REAL NOT NULL,           -- from when on it may be sent
  attempts INTEGER NOT NULL DEFAULT 0);
CREATE INDEX delivery_lane ON delivery(lane, due, id);
