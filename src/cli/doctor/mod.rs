//! `doctor`: what is the matter, and all that helps to find out, in one text that may leave.
//!
//! Probes look at the machine, each by itself; findings are made from what they found; and
//! whatever leaves goes through the scrubber. The site is not touched.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use serde_json::json;

use super::{Common, Exit, Failure, table};

mod document;
mod facts;
mod findings;
mod gather;
mod probes;
mod scrub;
mod show;
#[cfg(test)]
mod tests;
mod tolerant;

use document::{Document, Keep};
use facts::Unknown;
use findings::Finding;
use gather::Gathered;
use scrub::{MARK, Scrubber};

/// `doctor`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Write it to a new file that nobody else can read, instead of stdout
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Looks, and tells; with `--json` the findings only.
pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<Exit, Failure> {
    let gathered = gather::gather(&common.config);
    // Without them nothing could be taken out.
    let secrets = gathered.secrets.as_ref().map_err(|Unknown(why)| {
        anyhow!("the secrets that have to be taken out cannot be collected: {why}")
    })?;
    let scrubber = Scrubber::new(
        secrets.values.iter().map(String::as_str),
        gathered.known().iter().map(String::as_str),
    );
    let findings: Vec<_> = findings::findings(&gathered.facts)
        .into_iter()
        .map(|finding| scrubbed(finding, &scrubber))
        .collect();
    let text = match common.json {
        true => document(&gathered, &findings),
        false => text(&gathered, &findings, &scrubber),
    };
    match &arguments.output {
        Some(path) => write(path, &text)?,
        None => table::print(&text),
    }
    eprintln!("{}; look through it before you give it away", show::count(&findings));
    if secrets.unread > 0 {
        let unread = secrets.unread;
        eprintln!("{unread} file(s) with secrets cannot be read, so they are not looked for");
        eprintln!("hint: sudo sitepilot doctor");
    }
    Ok(Exit::Done)
}

fn scrubbed(finding: Finding, scrubber: &Scrubber) -> Finding {
    let [text, hint] =
        [&finding.text, &finding.hint].map(|text| scrubber.scrub(text).as_str().to_owned());
    Finding { text, hint, ..finding }
}

fn document(gathered: &Gathered, findings: &[Finding]) -> String {
    let document = json!({
        "made_at": show::moment(gathered.made_s),
        "version": gathered.facts.run.version,
        "findings": findings,
    });
    format!("{document:#}\n")
}

fn text(gathered: &Gathered, findings: &[Finding], scrubber: &Scrubber) -> String {
    let (facts, texts) = (&gathered.facts, &gathered.texts);
    let mut text = Document::new(scrubber, &heading(gathered));
    let mut first = |title, body: facts::Known<String>| text.section(title, &body, Keep::First);
    first("FINDINGS", Ok(show::findings(findings)));
    first("VERSIONS AND MACHINE", Ok(show::versions(facts)));
    first("SERVICE", texts.unit.clone());
    first("TIME", facts.time.as_ref().map(show::time).map_err(Clone::clone));
    first("DISKS", gathered.disks());
    first("FILES", facts.files.as_ref().map(show::files).map_err(Clone::clone));
    first("CONFIG", texts.config.clone());
    first(
        "SERIAL PORTS",
        facts.ports.as_ref().map(|ports| show::ports(ports)).map_err(Clone::clone),
    );
    first("ORDERS", facts.orders.as_ref().map(show::orders).map_err(Clone::clone));
    first("STATUS", facts.controller.as_ref().map_err(Clone::clone).and_then(show::status));
    first("METRICS", texts.metrics.clone());
    text.section("LOG OF THE SERVICE", &texts.log, Keep::Last);
    text.section("WARNINGS OF THE KERNEL", &texts.kernel, Keep::Last);
    text.finish()
}

fn heading(gathered: &Gathered) -> String {
    let run = &gathered.facts.run;
    let (version, made, config) =
        (&run.version, show::moment(gathered.made_s), run.config.display());
    let who = if run.is_root { "root" } else { "an ordinary user, who does not see all" };
    format!(
        "sitepilot doctor {version}, {made}, by {who}\nconfig {config}\n\
         {MARK} stands where a secret stood; of long numbers only the end is shown\n"
    )
}

/// Writes a new file, whole or not at all.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let shown = path.display();
    let made = File::options().write(true).create_new(true).mode(0o600).open(path);
    let mut file = made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            anyhow!("there is such a file already: {shown}\nhint: take another name")
        }
        _ => anyhow!("cannot write {shown}: {error}"),
    })?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.with_context(|| format!("cannot write {shown}")).inspect_err(|_| {
        // What is left of it is of no use; if it cannot be removed, the error is told all the same.
        let _ = fs::remove_file(path);
    })
}
