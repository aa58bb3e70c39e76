-- Messages of backends that were passed to a pile and wait for its answer.
CREATE TABLE passes (
  uplink INTEGER NOT NULL, sequence INTEGER NOT NULL,
  PRIMARY KEY (uplink, sequence)) WITHOUT ROWID;
