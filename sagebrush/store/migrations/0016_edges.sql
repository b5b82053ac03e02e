-- What is related to what, by ARN: lineage's associations, and the components of trials.
CREATE TABLE edge(
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  kind TEXT NOT NULL,          -- whose relation it is: association, trial
  source TEXT NOT NULL,        -- an ARN
  destination TEXT NOT NULL,   -- an ARN
  doc TEXT NOT NULL,
  created REAL NOT NULL,
  PRIMARY KEY(account, region, kind, source, destination)) WITHOUT ROWID;
CREATE INDEX edge_destination ON edge(account, region, kind, destination);
