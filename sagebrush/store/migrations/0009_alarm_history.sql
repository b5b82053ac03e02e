-- What happened to CloudWatch's alarms; kept when an alarm is deleted, as AWS keeps it.
CREATE TABLE alarm_history(
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL, region TEXT NOT NULL,
  name TEXT NOT NULL, composite INTEGER NOT NULL,
  at REAL NOT NULL,
  kind TEXT NOT NULL,         -- ConfigurationUpdate, StateUpdate, Action
  summary TEXT NOT NULL, data TEXT NOT NULL,
  UNIQUE(account, region, name, at, kind, summary));
CREATE INDEX alarm_history_time ON alarm_history(account, region, at, id);
CREATE INDEX alarm_history_old ON alarm_history(at);
