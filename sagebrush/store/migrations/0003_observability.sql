CREATE TABLE metric(
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL, region TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  dimensions TEXT NOT NULL,    -- JSON object, keys sorted
  last REAL NOT NULL,          -- when it last had a point
  UNIQUE(account, region, namespace, name, dimensions));
CREATE TABLE point(
  metric INTEGER NOT NULL REFERENCES metric(id) ON DELETE CASCADE,
  at REAL NOT NULL, value REAL NOT NULL, count REAL NOT NULL,
  minimum REAL NOT NULL, maximum REAL NOT NULL, unit TEXT NOT NULL);
CREATE INDEX point_time ON point(metric, at);
CREATE TABLE log_group(
  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
  created REAL NOT NULL, retention INTEGER,     -- days; NULL: never expires
  PRIMARY KEY(account, region, name));
CREATE TABLE log_stream(
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL, region TEXT NOT NULL, grp TEXT NOT NULL, name TEXT NOT NULL,
  job TEXT,                    -- the backend's key whose log this is; NULL: events that users put
  created REAL NOT NULL,
  UNIQUE(account, region, grp, name),
  FOREIGN KEY(account, region, grp) REFERENCES log_group(account, region, name) ON DELETE CASCADE);
CREATE TABLE log_event(
  id INTEGER PRIMARY KEY,
  stream INTEGER NOT NULL REFERENCES log_stream(id) ON DELETE CASCADE,
  ms INTEGER NOT NULL, ingested INTEGER NOT NULL, message TEXT NOT NULL);
CREATE INDEX log_event_stream ON log_event(stream, id);
