CREATE TABLE bucket(
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL, name TEXT NOT NULL UNIQUE, region TEXT NOT NULL,
  created REAL NOT NULL,
  config TEXT NOT NULL);      -- JSON: what the Put…Bucket… operations stored, by topic

-- What an object, or a part of an upload, is made of when it does not fit in its row.
CREATE TABLE content(id INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE segment(
  content INTEGER NOT NULL REFERENCES content(id) ON DELETE CASCADE,
  n INTEGER NOT NULL,
  size INTEGER NOT NULL,
  blob TEXT,                  -- name of a blob; NULL: `data` holds the bytes
  offset INTEGER NOT NULL,
  data BLOB,
  PRIMARY KEY(content, n)) WITHOUT ROWID;
CREATE INDEX segment_blob ON segment(blob) WHERE blob IS NOT NULL;
CREATE TABLE piece(           -- the parts that a multipart object was completed from
  content INTEGER NOT NULL REFERENCES content(id) ON DELETE CASCADE,
  number INTEGER NOT NULL, size INTEGER NOT NULL, checksum TEXT,
  PRIMARY KEY(content, number)) WITHOUT ROWID;

CREATE TABLE object(
  id INTEGER PRIMARY KEY,
  bucket INTEGER NOT NULL REFERENCES bucket(id),
  key TEXT NOT NULL,          -- BINARY collation: UTF-8 byte order, as S3 lists
  size INTEGER NOT NULL, etag TEXT NOT NULL, modified REAL NOT NULL,
  storage TEXT NOT NULL,
  algorithm TEXT, checksum TEXT, checksum_type TEXT,
  doc TEXT NOT NULL,          -- JSON: user metadata, system headers, tags
  content INTEGER REFERENCES content(id),
  data BLOB);                 -- small bodies; last, so that listings never read it
CREATE UNIQUE INDEX object_key ON object(bucket, key);
CREATE INDEX object_content ON object(content) WHERE content IS NOT NULL;

CREATE TABLE upload(
  id TEXT PRIMARY KEY,
  bucket INTEGER NOT NULL REFERENCES bucket(id),
  key TEXT NOT NULL, created REAL NOT NULL,
  doc TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX upload_key ON upload(bucket, key, id);
CREATE TABLE part(
  upload TEXT NOT NULL REFERENCES upload(id),
  number INTEGER NOT NULL,
  size INTEGER NOT NULL, etag TEXT NOT NULL, modified REAL NOT NULL,
  checksums TEXT NOT NULL,    -- JSON: algorithm -> base64
  content INTEGER NOT NULL REFERENCES content(id),
  PRIMARY KEY(upload, number)) WITHOUT ROWID;
CREATE INDEX part_content ON part(content);
