-- Until now there was one kind of uplink, and it got what was recorded while it was there.
INSERT INTO enlisted (uplink, kind, since_s)
  SELECT no, 'charger', NULL FROM uplinks WHERE no IN (SELECT uplink FROM deliveries);
