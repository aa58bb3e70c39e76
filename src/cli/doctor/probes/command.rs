//! Other programs: with a clean environment, for a limited time, and of their output only so much.

use std::{
    io::{self, Read, Write},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::super::facts::{Known, Unknown};

/// How long a program may take: reading a journal from a slow card takes seconds.
const PATIENCE: Duration = Duration::from_secs(8);

/// Of a program's output at least so much of its end is kept, and at most twice as much.
const MAX_OUTPUT_BYTES: usize = 2 << 20;

/// Where programs of the system are; not where the caller's `PATH` says.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// What a program said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) output: String,
    pub(super) errors: String,
    pub(super) is_done: bool,
}

impl Said {
    /// What it said, or why it did not do what it should.
    pub(super) fn done(self) -> Known<String> {
        if self.is_done {
            return Ok(self.output);
        }
        let why = self.errors.lines().find(|line| !line.trim().is_empty());
        Err(Unknown(why.unwrap_or("it failed without a word").trim().to_owned()))
    }
}

/// Runs a program to its end.
pub(super) fn run(program: &str, arguments: &[&str]) -> Known<Said> {
    let unknown = |why: String| Unknown(format!("{program}: {why}"));
    let mut child = start(program, arguments).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => unknown("there is no such program".to_owned()),
        _ => unknown(error.to_string()),
    })?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        // Nobody listens any more where it took too long.
        let _ = tell.send(listen(&mut child));
    });
    match told.recv_timeout(PATIENCE) {
        Ok(said) => said.map_err(|error| unknown(error.to_string())),
        Err(_) => {
            // It may have ended at this moment, and a hanging one may not die at once.
            let _ = group.map(|group| kill_process_group(group, Signal::KILL));
            Err(unknown(format!("took longer than {} s", PATIENCE.as_secs())))
        }
    }
}

fn start(program: &str, arguments: &[&str]) -> io::Result<Child> {
    Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

fn listen(child: &mut Child) -> io::Result<Said> {
    let errors = child.stderr.take().map(|pipe| thread::spawn(move || text(pipe)));
    let output = child.stdout.take().map_or_else(|| Ok(String::new()), text)?;
    let is_done = child.wait()?.success();
    let errors = errors.map(thread::JoinHandle::join);
    let errors = errors.and_then(Result::ok).and_then(Result::ok).unwrap_or_default();
    Ok(Said { output, errors, is_done })
}

fn text(mut pipe: impl Read) -> io::Result<String> {
    let mut end = End::default();
    io::copy(&mut pipe, &mut end)?;
    Ok(String::from_utf8_lossy(end.lines()).into_owned())
}

/// The end of what is written into it: of a log that is too long, the newest is worth most.
#[derive(Default)]
struct End {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl End {
    /// Whole lines only: a secret that is cut in two is not found any more.
    fn lines(&self) -> &[u8] {
        let whole = || Some(self.bytes.iter().position(|byte| *byte == b'\n')? + 1);
        let from = if self.is_cut { whole().unwrap_or(self.bytes.len()) } else { 0 };
        &self.bytes[from..]
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * MAX_OUTPUT_BYTES {
            self.bytes.drain(..self.bytes.len() - MAX_OUTPUT_BYTES);
            self.is_cut = true;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_program_says_something_or_why_not() {
        let shell = |script: &str| run("sh", &["-c", script]);
        assert_eq!(shell("echo $HOME-$PATH").unwrap().done().unwrap(), format!("-{PATH}\n"));
        assert_eq!(shell("echo no >&2; exit 3").unwrap().done(), Err(Unknown("no".to_owned())));
        assert!(shell("exit 1").unwrap().done().is_err());
        // More than is kept: the newest lines are there, whole, and it still ends by itself.
        let long = shell("yes 'a line of a log that does not end' | head -n 200000; echo newest");
        let long = long.unwrap().done().unwrap();
        assert!(long.len() <= 2 * MAX_OUTPUT_BYTES && long.ends_with("end\nnewest\n"));
        assert!(long.starts_with("a line of a log that does not end\n"), "{:?}", &long[..40]);
        let Unknown(why) = run("no-such-program-here", &[]).unwrap_err();
        assert_eq!(why, "no-such-program-here: there is no such program");
        let flood = shell("head -c 9000000 /dev/zero | tr '\\0' x").unwrap();
        assert_eq!(flood.output, "", "a line without an end is nothing that could be shown");
    }
}
