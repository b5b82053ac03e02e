CREATE TABLE resource(
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL, region TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
  status TEXT NOT NULL,
  doc TEXT NOT NULL,          -- the AWS document, JSON
  plan TEXT NOT NULL,         -- our private part, JSON
  parent TEXT NOT NULL DEFAULT '',
  created REAL NOT NULL, updated REAL NOT NULL,
  due_at REAL,                -- when the reconciler wants it next; NULL: never
  lease_token TEXT, lease_until REAL,
  version INTEGER NOT NULL DEFAULT 1);
CREATE UNIQUE INDEX resource_name ON resource(account, region, kind, name);
CREATE INDEX resource_due ON resource(due_at) WHERE due_at IS NOT NULL;
CREATE INDEX resource_list ON resource(kind, status, created);
CREATE INDEX resource_parent ON resource(parent) WHERE parent <> '';
