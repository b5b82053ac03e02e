CREATE TABLE definition(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  digest BLOB NOT NULL UNIQUE,  -- SHA-256 of the body
  body TEXT NOT NULL);
CREATE TABLE execution(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,           -- the service that says what a step does
  arn TEXT NOT NULL UNIQUE,
  owner TEXT NOT NULL,          -- the ARN under which it is listed
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  definition INTEGER NOT NULL REFERENCES definition(id),
  started REAL NOT NULL,
  stopped REAL,
  events INTEGER NOT NULL DEFAULT 0,
  input TEXT NOT NULL,
  output TEXT,
  error TEXT,
  cause TEXT,
  plan TEXT NOT NULL);          -- JSON: what its service keeps
CREATE INDEX execution_owner ON execution(owner, started, id);
CREATE INDEX execution_status ON execution(owner, status, started, id);
CREATE INDEX execution_running ON execution(id) WHERE status='RUNNING';
CREATE INDEX execution_stopped ON execution(stopped) WHERE stopped IS NOT NULL;
CREATE INDEX execution_definition ON execution(definition);
CREATE TABLE position(
  execution INTEGER PRIMARY KEY REFERENCES execution(id) ON DELETE CASCADE,
  more INTEGER NOT NULL,        -- whether a step is to follow at once
  body TEXT NOT NULL);
CREATE TABLE history(
  execution INTEGER NOT NULL REFERENCES execution(id) ON DELETE CASCADE,
  first INTEGER NOT NULL,       -- ids of its events
  last INTEGER NOT NULL,
  events TEXT NOT NULL,         -- JSON: an array, of one step
  PRIMARY KEY(execution, first));
CREATE TABLE timer(
  execution INTEGER NOT NULL REFERENCES execution(id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  due REAL NOT NULL,
  PRIMARY KEY(execution, key)) WITHOUT ROWID;
CREATE INDEX timer_due ON timer(due);
CREATE TABLE page(
  execution INTEGER NOT NULL REFERENCES execution(id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY(execution, key));
CREATE TABLE work(
  execution INTEGER NOT NULL REFERENCES execution(id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  token TEXT UNIQUE,            -- who knows it may say how the work ended
  command TEXT NOT NULL,        -- JSON: what began it
  note TEXT NOT NULL DEFAULT '{}',
  started INTEGER NOT NULL DEFAULT 0,
  stopping INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(execution, key));
