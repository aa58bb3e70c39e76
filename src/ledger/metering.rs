//! What meters say, as rows and back.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    apply::{Writer, contradicts},
    columns::{self, PARTS, StampColumns, place},
    error::LedgerError,
    fact::{Fact, FactKind},
    rows::{self, Calendar},
};
use crate::{
    domain::{
        id::{MeterName, OrderSeq},
        order::Order,
        quantity::Energy,
        reading::{Metering, Reading, Sample},
        time::Stamp,
    },
    site::{
        entry::{Entry, SamplePart},
        restore::KeptMeter,
    },
};

/// What the meter of its connector says of an order, as it was stamped.
pub(super) fn of(conn: &Connection, seq: OrderSeq) -> Result<Option<Metering>, LedgerError> {
    let sql = "SELECT n.name, m.pile_start, m.pile_stop FROM metering m
        LEFT JOIN meters n ON n.no = m.meter WHERE m.seq = ?1";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([seq.0.cast_signed()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut metering = Metering {
        meter: name(row, 0)?,
        start: None,
        curve: Vec::new(),
        stop: None,
        pile_start: columns::energy(row, 1)?,
        pile_stop: columns::energy(row, 2)?,
    };
    let sql = "SELECT part, energy, boot, mono, wall, quality FROM samples WHERE seq = ?1
        ORDER BY part, pos";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([seq.0.cast_signed()])?;
    while let Some(row) = rows.next()? {
        let sample = sample(row)?;
        match columns::value(&PARTS, row.get(0)?)? {
            SamplePart::Start => metering.start = Some(sample),
            SamplePart::Curve => metering.curve.push(sample),
            SamplePart::Stop => metering.stop = Some(sample),
        }
    }
    Ok(Some(metering))
}

fn sample(row: &Row<'_>) -> Result<Sample, LedgerError> {
    let missing = || LedgerError::corrupt("a sample without energy");
    let energy = columns::energy(row, 1)?.ok_or_else(missing)?;
    Ok(Sample { energy, at: columns::stamp(row, 2)? })
}

fn name(row: &Row<'_>, at: usize) -> Result<MeterName, LedgerError> {
    let name = row.get::<_, Option<String>>(at)?.unwrap_or_default();
    MeterName::new(&name).map_err(|e| LedgerError::corrupt(e.to_string()))
}

/// What memory needs of the meters.
pub(super) fn kept(
    conn: &Connection,
    calendar: &Calendar,
) -> Result<BTreeMap<MeterName, KeptMeter>, LedgerError> {
    let sql = "SELECT name, energy_import, energy_export, boot, mono, wall, quality,
        replaced_boot, replaced_mono, replaced_wall, replaced_quality FROM meters
        WHERE boot IS NOT NULL OR replaced_boot IS NOT NULL";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut meters = BTreeMap::new();
    while let Some(row) = rows.next()? {
        meters.insert(name(row, 0)?, kept_of(row, calendar)?);
    }
    Ok(meters)
}

fn kept_of(row: &Row<'_>, calendar: &Calendar) -> Result<KeptMeter, LedgerError> {
    let (energy_import, energy_export) = (columns::energy(row, 1)?, columns::energy(row, 2)?);
    let last = columns::stamp_or_none(row, 3)?.map(|at| {
        let at = rows::dated(calendar, at);
        Reading { energy_import, energy_export, at }
    });
    let replaced = columns::stamp_or_none(row, 7)?.map(|at| rows::dated(calendar, at));
    Ok(KeptMeter { last, replaced })
}

impl Writer<'_> {
    pub(super) fn apply_to_meters(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        match entry {
            Entry::MeterKept { meter, reading } => self.meter_kept(meter, Some(*reading)),
            Entry::MeterReplaced { meter, old, at } => self.meter_replaced(meter, *old, *at),
            Entry::MeterBegun { meter, reading } => self.meter_begun(meter, *reading),
            Entry::SampleKept { seq, part, sample } => self.sample_kept(*seq, *part, *sample),
            Entry::MeteringDropped { seq, reason, at } => {
                self.metering_dropped(*seq, columns::bounded(reason), *at)
            }
            _ => Ok(()),
        }
    }

    fn meter_kept(
        &mut self,
        meter: &MeterName,
        reading: Option<Reading>,
    ) -> Result<(), LedgerError> {
        let no = self.caches.meter(self.conn, meter)?;
        let at = reading.map(|reading| StampColumns::from(reading.at));
        let at = at.as_ref();
        let sql = "UPDATE meters SET energy_import = ?2, energy_export = ?3, boot = ?4, mono = ?5,
            wall = ?6, quality = ?7 WHERE no = ?1";
        self.conn.prepare_cached(sql)?.execute(params![
            no,
            reading.and_then(|r| r.energy_import).map(columns::energy_column),
            reading.and_then(|r| r.energy_export).map(columns::energy_column),
            at.map(|at| at.boot),
            at.map(|at| at.mono),
            at.map(|at| at.wall),
            at.map(|at| at.quality),
        ])?;
        Ok(())
    }

    fn meter_replaced(
        &mut self,
        meter: &MeterName,
        old: Option<Energy>,
        at: Stamp,
    ) -> Result<(), LedgerError> {
        let no = self.caches.meter(self.conn, meter)?;
        let columns = StampColumns::from(at);
        let sql = "UPDATE meters SET replaced_boot = ?2, replaced_mono = ?3, replaced_wall = ?4,
            replaced_quality = ?5 WHERE no = ?1
            AND (boot IS NOT NULL OR replaced_boot IS NOT ?2 OR replaced_mono IS NOT ?3
              OR replaced_wall IS NOT ?4)";
        let StampColumns { boot, mono, wall, quality } = columns;
        let mut update = self.conn.prepare_cached(sql)?;
        if update.execute(params![no, boot, mono, wall, quality])? == 0 {
            return Ok(());
        }
        drop(update);
        let mut fact = Fact::new(FactKind::MeterReplaced, at);
        fact.register(meter, old);
        self.journal(OrderSeq(0), fact)?;
        self.meter_kept(meter, None)
    }

    fn meter_begun(&mut self, meter: &MeterName, reading: Reading) -> Result<(), LedgerError> {
        let known = kept(self.conn, &Calendar::new())?;
        if known.get(meter).and_then(|kept| kept.last).is_some_and(|last| last == reading) {
            return Ok(());
        }
        let mut fact = Fact::new(FactKind::MeterBegun, reading.at);
        fact.register(meter, reading.energy_import);
        self.journal(OrderSeq(0), fact)?;
        self.meter_kept(meter, Some(reading))
    }

    fn sample_kept(
        &self,
        seq: OrderSeq,
        part: SamplePart,
        sample: Sample,
    ) -> Result<(), LedgerError> {
        self.open_state(seq)?;
        let metering = of(self.conn, seq)?;
        let metering = metering.ok_or_else(|| contradicts(seq, "is not metered"))?;
        let pos = match part {
            SamplePart::Start | SamplePart::Stop => 0,
            SamplePart::Curve if metering.curve.last() == Some(&sample) => return Ok(()),
            SamplePart::Curve => metering.curve.len(),
        };
        self.put_sample(seq, part, pos, sample)
    }

    /// Writes a sample unless it is there.
    fn put_sample(
        &self,
        seq: OrderSeq,
        part: SamplePart,
        pos: usize,
        sample: Sample,
    ) -> Result<(), LedgerError> {
        let at = StampColumns::from(sample.at);
        let sql = "INSERT INTO samples (seq, part, pos, energy, boot, mono, wall, quality)
            VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET energy = excluded.energy,
            boot = excluded.boot, mono = excluded.mono, wall = excluded.wall,
            quality = excluded.quality
            WHERE energy <> excluded.energy OR boot <> excluded.boot OR mono <> excluded.mono
              OR wall <> excluded.wall OR quality <> excluded.quality";
        self.conn.prepare_cached(sql)?.execute(params![
            seq.0.cast_signed(),
            place(&PARTS, part),
            i64::try_from(pos).unwrap_or(i64::MAX),
            columns::energy_column(sample.energy),
            at.boot,
            at.mono,
            at.wall,
            at.quality,
        ])?;
        Ok(())
    }

    /// Writes what the meter says of an order, where it is not written already.
    pub(super) fn put_metering(&mut self, order: &Order) -> Result<(), LedgerError> {
        let Some(metering) = &order.metering else { return Ok(()) };
        let meter = self.caches.meter(self.conn, &metering.meter)?;
        let sql = "INSERT INTO metering (seq, meter, pile_start, pile_stop) VALUES (?,?,?,?)
            ON CONFLICT DO UPDATE SET meter = excluded.meter, pile_start = excluded.pile_start,
            pile_stop = excluded.pile_stop WHERE meter IS NOT excluded.meter
              OR pile_start IS NOT excluded.pile_start OR pile_stop IS NOT excluded.pile_stop";
        self.conn.prepare_cached(sql)?.execute(params![
            order.seq.0.cast_signed(),
            meter,
            metering.pile_start.map(columns::energy_column),
            metering.pile_stop.map(columns::energy_column),
        ])?;
        for (part, sample) in
            [(SamplePart::Start, metering.start), (SamplePart::Stop, metering.stop)]
        {
            if let Some(sample) = sample {
                self.put_sample(order.seq, part, 0, sample)?;
            }
        }
        for (pos, sample) in metering.curve.iter().enumerate() {
            self.put_sample(order.seq, SamplePart::Curve, pos, *sample)?;
        }
        Ok(())
    }

    fn metering_dropped(
        &mut self,
        seq: OrderSeq,
        reason: &str,
        at: Stamp,
    ) -> Result<(), LedgerError> {
        let sql = "SELECT meter FROM metering WHERE seq = ?1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let found = statement.query_row([seq.0.cast_signed()], |row| row.get::<_, i64>(0));
        if found.optional()?.is_none() {
            return Ok(());
        }
        drop(statement);
        self.open_state(seq)?;
        let mut fact = Fact::new(FactKind::MeteringDropped, at);
        fact.text(reason);
        self.journal(seq, fact)?;
        for table in ["metering", "samples"] {
            self.conn
                .prepare_cached(&format!("DELETE FROM {table} WHERE seq = ?1"))?
                .execute([seq.0.cast_signed()])?;
        }
        Ok(())
    }
}
