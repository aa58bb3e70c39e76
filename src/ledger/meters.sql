-- Meters: the last reading that was believed, and when one was last said to be replaced.
CREATE TABLE meters (
  no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, energy_import INTEGER, energy_export INTEGER,
  boot INTEGER, mono INTEGER, wall INTEGER, quality INTEGER,
  replaced_boot INTEGER, replaced_mono INTEGER, replaced_wall INTEGER, replaced_quality INTEGER);
-- Orders of a connector with a meter, and the pile's own readings beside the meter's.
CREATE TABLE metering (
  seq INTEGER PRIMARY KEY, meter INTEGER NOT NULL, pile_start INTEGER, pile_stop INTEGER);
-- Readings of the meter within an order; part: 0 start, 1 in between, 2 stop.
CREATE TABLE samples (
  seq INTEGER NOT NULL, part INTEGER NOT NULL, pos INTEGER NOT NULL, energy INTEGER NOT NULL,
  boot INTEGER NOT NULL, mono INTEGER NOT NULL, wall INTEGER NOT NULL, quality INTEGER NOT NULL,
  PRIMARY KEY (seq, part, pos)) WITHOUT ROWID;
