-- Numbers of the program itself.
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
-- Runs of the controller; first_n is the first journal row that may belong to it.
CREATE TABLE boots (
  boot INTEGER PRIMARY KEY, first_n INTEGER NOT NULL,
  epoch_ms INTEGER, quality INTEGER, estimated INTEGER NOT NULL DEFAULT 0);
CREATE TABLE piles (no INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE);
CREATE TABLE uplinks (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- An order is spread over tables by when it is written, so that no large row is written twice.
-- n is the journal row that states the present content.
CREATE TABLE orders (
  seq INTEGER PRIMARY KEY, n INTEGER NOT NULL,
  pile INTEGER NOT NULL, record TEXT NOT NULL, started INTEGER NOT NULL,
  connector INTEGER, plug INTEGER, flags INTEGER NOT NULL, card TEXT,
  boot INTEGER NOT NULL, mono INTEGER NOT NULL, wall INTEGER NOT NULL, quality INTEGER NOT NULL,
  started_s INTEGER, meter_start INTEGER,
  revision INTEGER, code INTEGER, body BLOB);
CREATE TABLE endings (
  seq INTEGER PRIMARY KEY, n INTEGER NOT NULL, flags INTEGER NOT NULL,
  ended_s INTEGER, meter_start INTEGER, meter_stop INTEGER,
  energy INTEGER NOT NULL, cost INTEGER, reason INTEGER NOT NULL,
  boot INTEGER NOT NULL, mono INTEGER NOT NULL, wall INTEGER NOT NULL, quality INTEGER NOT NULL,
  revision INTEGER, code INTEGER, body BLOB);
CREATE TABLE transactions (seq INTEGER PRIMARY KEY, id TEXT NOT NULL);
-- Orders that are not settled: where they stand and what is known while they run.
CREATE TABLE live (
  seq INTEGER PRIMARY KEY, state INTEGER NOT NULL,
  energy INTEGER, cost INTEGER, boot INTEGER, mono INTEGER, wall INTEGER, quality INTEGER);
CREATE TABLE deliveries (
  seq INTEGER NOT NULL, pos INTEGER NOT NULL, uplink INTEGER NOT NULL, state INTEGER NOT NULL,
  place INTEGER NOT NULL, attempts INTEGER NOT NULL, boot INTEGER, mono INTEGER, wall INTEGER, quality INTEGER,
  error TEXT, PRIMARY KEY (seq, pos)) WITHOUT ROWID;
-- Queued, sent or quarantined: whatever is not closed, in the order of recording.
CREATE INDEX open_deliveries ON deliveries (uplink, place) WHERE state IN (0, 1, 3);
CREATE TABLE payloads (
  seq INTEGER NOT NULL, pos INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (seq, pos)) WITHOUT ROWID;
CREATE TABLE versions (
  id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, kind INTEGER NOT NULL,
  ended_s INTEGER, meter_start INTEGER, meter_stop INTEGER,
  energy INTEGER NOT NULL, cost INTEGER, reason INTEGER NOT NULL,
  boot INTEGER NOT NULL, mono INTEGER NOT NULL, wall INTEGER NOT NULL, quality INTEGER NOT NULL,
  revision INTEGER, code INTEGER, body BLOB,
  at_boot INTEGER NOT NULL, at_mono INTEGER NOT NULL, at_wall INTEGER NOT NULL,
  at_quality INTEGER NOT NULL);
CREATE INDEX versions_of ON versions (seq);
-- Where an order is, by key; filled in bulk (see keys.rs). tag: the first bytes of the id's hash.
CREATE TABLE keys (
  pile INTEGER NOT NULL, record TEXT NOT NULL, started INTEGER NOT NULL,
  seq INTEGER NOT NULL, tag INTEGER NOT NULL,
  PRIMARY KEY (pile, record, started)) WITHOUT ROWID;

-- Append-only; each hash covers the one before.
CREATE TABLE journal (
  n INTEGER PRIMARY KEY, seq INTEGER NOT NULL, fact BLOB NOT NULL, hash BLOB NOT NULL);
-- The row before the first one of the journal.
CREATE TABLE anchor (
  id INTEGER PRIMARY KEY CHECK (id = 1), n INTEGER NOT NULL, hash BLOB NOT NULL,
  why TEXT NOT NULL);
INSERT INTO anchor VALUES (1, 0, zeroblob(32), 'first');
-- Orders that are past their time and still owed.
CREATE TABLE overdue (seq INTEGER PRIMARY KEY);

CREATE TABLE cards (
  card TEXT PRIMARY KEY, verdict INTEGER NOT NULL,
  boot INTEGER NOT NULL, mono INTEGER NOT NULL, wall INTEGER NOT NULL,
  quality INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tariff (
  one INTEGER PRIMARY KEY CHECK (one = 1), id INTEGER NOT NULL,
  revision INTEGER NOT NULL, code INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE sequences (uplink INTEGER PRIMARY KEY, up_to INTEGER NOT NULL);
CREATE TABLE remotes (
  id INTEGER PRIMARY KEY, uplink INTEGER NOT NULL, sequence INTEGER NOT NULL, tx TEXT,
  boot INTEGER NOT NULL, mono INTEGER NOT NULL, wall INTEGER NOT NULL, quality INTEGER NOT NULL,
  closed INTEGER NOT NULL);
