-- The id of a row that is deleted is never another's: rows of other kinds, reservations, browsers'
-- sessions and timers remember ids for longer than their rows live.
CREATE TABLE resource_new(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account TEXT NOT NULL, region TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
  status TEXT NOT NULL,
  doc TEXT NOT NULL,          -- the AWS document, JSON
  plan TEXT NOT NULL,         -- our private part, JSON
  parent TEXT NOT NULL DEFAULT '',
  created REAL NOT NULL, updated REAL NOT NULL,
  due_at REAL,                -- when the reconciler wants it next; NULL: never
  lease_token TEXT, lease_until REAL,
  version INTEGER NOT NULL DEFAULT 1);
INSERT INTO resource_new(id, account, region, kind, name, status, doc, plan, parent, created, updated,
    due_at, lease_token, lease_until, version)
  SELECT id, account, region, kind, name, status, doc, plan, parent, created, updated,
    due_at, lease_token, lease_until, version FROM resource;
DROP TABLE resource;
ALTER TABLE resource_new RENAME TO resource;
CREATE UNIQUE INDEX resource_name ON resource(account, region, kind, name);
CREATE INDEX resource_due ON resource(due_at) WHERE due_at IS NOT NULL;
CREATE INDEX resource_list ON resource(kind, status, created);
CREATE INDEX resource_parent ON resource(parent) WHERE parent <> '';
CREATE INDEX resource_created ON resource(kind, created, id);

-- A role that a client had only named became an administrator of its own, which every role that may
-- assume others could assume. It stands for the execution role from now on, for the owner alone;
-- one that was given policies, tags or another trust policy since stays what it was made.
UPDATE resource SET status='StandIn', plan='{}'
  WHERE kind='role' AND status='Active'
    AND json_extract(doc, '$.Description')='Named by a client, never created here'
    AND json_extract(plan, '$.inline')='{}' AND json_extract(plan, '$.tags')='{}'
    AND json_extract(plan, '$.attached')
      LIKE '{"arn:aws:iam::aws:policy/AdministratorAccess":"%"}'
    AND json_extract(plan, '$.attached') NOT LIKE '%","arn:aws:iam::%'
    AND json_extract(plan, '$.trust') LIKE '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", '
      || '"Principal": {"Service": ["sagemaker.amazonaws.com", %], "AWS": "arn:aws:iam::%:root"}, '
      || '"Action": "sts:AssumeRole"}]}';
