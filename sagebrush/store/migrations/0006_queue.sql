-- What the queue is ordered by, what a reservation holds of GPUs, and estimates of how long it will.
DROP INDEX reservation_queue;
ALTER TABLE reservation ADD COLUMN lane INTEGER NOT NULL DEFAULT 0;
  -- 0: jobs, 1: spot jobs, 2: endpoints, 3: notebooks, 4: idle warm pools
ALTER TABLE reservation ADD COLUMN rank INTEGER NOT NULL DEFAULT 0;      -- minus the priority
ALTER TABLE reservation ADD COLUMN role TEXT NOT NULL DEFAULT '';
ALTER TABLE reservation ADD COLUMN gpus INTEGER NOT NULL DEFAULT 0;      -- how many are asked for
ALTER TABLE reservation ADD COLUMN held_gpus TEXT NOT NULL DEFAULT '';   -- which are held: "0,3"
ALTER TABLE reservation ADD COLUMN idle INTEGER NOT NULL DEFAULT 0;      -- goes when anyone waits
ALTER TABLE reservation ADD COLUMN seconds REAL NOT NULL DEFAULT 0;      -- how long; 0: unknown
ALTER TABLE reservation ADD COLUMN work REAL NOT NULL DEFAULT 0;         -- seconds of the whole host
ALTER TABLE reservation ADD COLUMN started REAL;                         -- holds since
ALTER TABLE reservation ADD COLUMN first REAL;       -- when it came to the head of the queue
ALTER TABLE reservation ADD COLUMN promised REAL;    -- when it was to start at the latest
ALTER TABLE reservation ADD COLUMN evicted REAL;                         -- told to go, when
UPDATE reservation SET lane=2 WHERE cpu=0;
UPDATE reservation SET lane=3 WHERE row_id IN
  (SELECT id FROM resource WHERE kind='notebook-instance');
UPDATE reservation SET started=since WHERE held=1;
CREATE UNIQUE INDEX reservation_seq ON reservation(seq);
CREATE INDEX reservation_held ON reservation(held) WHERE held=1;
CREATE INDEX reservation_waiting ON reservation(lane, rank, role, seq) WHERE held=0;
CREATE INDEX reservation_first ON reservation(first) WHERE held=0 AND first IS NOT NULL;

-- How many wait, by place: a place in the queue is a sum over few rows, however long the queue is.
CREATE TABLE waiting(
  lane INTEGER NOT NULL, rank INTEGER NOT NULL, role TEXT NOT NULL,
  bucket INTEGER NOT NULL,    -- seq / 256
  jobs INTEGER NOT NULL, work REAL NOT NULL, unknown INTEGER NOT NULL,
  PRIMARY KEY(lane, rank, role, bucket)) WITHOUT ROWID;
INSERT INTO waiting SELECT lane, rank, role, seq / 256, count(*), 0, count(*) FROM reservation
  WHERE held=0 GROUP BY lane, rank, role, seq / 256;
CREATE TRIGGER reservation_enters AFTER INSERT ON reservation WHEN NEW.held=0 BEGIN
  INSERT INTO waiting VALUES(NEW.lane, NEW.rank, NEW.role, NEW.seq / 256, 1, NEW.work,
    NEW.seconds=0) ON CONFLICT DO UPDATE SET jobs=jobs+1, work=work+excluded.work,
    unknown=unknown+excluded.unknown;
END;
CREATE TRIGGER reservation_leaves AFTER DELETE ON reservation WHEN OLD.held=0 BEGIN
  UPDATE waiting SET jobs=jobs-1, work=work-OLD.work, unknown=unknown-(OLD.seconds=0)
    WHERE lane=OLD.lane AND rank=OLD.rank AND role=OLD.role AND bucket=OLD.seq / 256;
  DELETE FROM waiting WHERE lane=OLD.lane AND rank=OLD.rank AND role=OLD.role
    AND bucket=OLD.seq / 256 AND jobs=0;
END;
CREATE TRIGGER reservation_moves AFTER UPDATE OF lane, rank, role, seq, held, work, seconds
  ON reservation WHEN OLD.held=0 BEGIN
  UPDATE waiting SET jobs=jobs-1, work=work-OLD.work, unknown=unknown-(OLD.seconds=0)
    WHERE lane=OLD.lane AND rank=OLD.rank AND role=OLD.role AND bucket=OLD.seq / 256;
  DELETE FROM waiting WHERE lane=OLD.lane AND rank=OLD.rank AND role=OLD.role
    AND bucket=OLD.seq / 256 AND jobs=0;
  INSERT INTO waiting SELECT NEW.lane, NEW.rank, NEW.role, NEW.seq / 256, 1, NEW.work,
    NEW.seconds=0 WHERE NEW.held=0 ON CONFLICT DO UPDATE SET jobs=jobs+1,
    work=work+excluded.work, unknown=unknown+excluded.unknown;
END;

-- How long jobs of an image have run on an instance type, the longer the likelier to count.
CREATE TABLE runtime(image TEXT NOT NULL, instance TEXT NOT NULL, seconds REAL NOT NULL,
  PRIMARY KEY(image, instance));
