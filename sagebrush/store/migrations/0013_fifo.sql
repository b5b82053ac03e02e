-- FIFO queues. A message of a group comes after those of its group that were sent before it.
ALTER TABLE message ADD COLUMN grp TEXT;       -- its message group; NULL in other queues
ALTER TABLE message ADD COLUMN attempt TEXT;   -- the attempt that received it last, where it named one
ALTER TABLE message ADD COLUMN attempted REAL; -- when that attempt was made first
CREATE INDEX message_order ON message(queue, id) WHERE grp IS NOT NULL;
CREATE INDEX message_group ON message(queue, grp, visible) WHERE grp IS NOT NULL;
CREATE TABLE deduplication(
  queue INTEGER NOT NULL REFERENCES resource(id) ON DELETE CASCADE,
  scope TEXT NOT NULL,         -- the message group, or '' where the whole queue is the scope
  token TEXT NOT NULL,         -- the deduplication id
  uid TEXT NOT NULL,           -- of the message that was sent first with it
  message INTEGER NOT NULL,    -- its id, though it may be gone
  sent REAL NOT NULL,
  PRIMARY KEY(queue, scope, token)) WITHOUT ROWID;
CREATE INDEX deduplication_sent ON deduplication(sent);
CREATE INDEX message_hidden ON message(queue, visible) WHERE grp IS NOT NULL;
CREATE INDEX message_attempt ON message(queue, attempt) WHERE attempt IS NOT NULL;
