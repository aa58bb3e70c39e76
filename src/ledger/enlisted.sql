-- Uplinks that take orders, as last said: what they speak, and from when on they want the past.
CREATE TABLE enlisted (uplink INTEGER PRIMARY KEY, kind TEXT NOT NULL, since_s INTEGER);
-- Uplinks that decide settlement; their number stands in meta, and none does until it was said.
CREATE TABLE required (uplink INTEGER PRIMARY KEY);
-- A journal row at or shortly before the last confirmation of an uplink (see recent.rs).
CREATE TABLE heard (uplink INTEGER PRIMARY KEY, n INTEGER NOT NULL);
-- What is frozen from now on, by the number of its delivery (see columns.rs). In payloads, whose
-- key is no number, all of more than 230 bytes takes a page of its own; here several share one.
CREATE TABLE frozen (delivery INTEGER PRIMARY KEY, body BLOB NOT NULL);
