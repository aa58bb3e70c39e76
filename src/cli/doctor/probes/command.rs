//! Other programs: with a clean environment, for a limited time, and of their output only so much.

use std::{
    io::{self, Read},
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

/// Most of a program's output that is read.
const MAX_OUTPUT_BYTES: u64 = 4 << 20;

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

fn text(pipe: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    pipe.take(MAX_OUTPUT_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
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
        let Unknown(why) = run("no-such-program-here", &[]).unwrap_err();
        assert_eq!(why, "no-such-program-here: there is no such program");
        let flood = shell("head -c 9000000 /dev/zero | tr '\\0' x").unwrap();
        assert_eq!(u64::try_from(flood.output.len()).unwrap(), MAX_OUTPUT_BYTES);
    }
}
