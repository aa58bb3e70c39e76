//! The man pages and completions in `deploy/` say what the program says of itself. With `UPDATE=1`
//! in the environment they are written anew.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, env, fs, path::Path};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// What the page of the program says beside what its commands say of themselves.
const SECTIONS: &str = include_str!("manual/sections.roff");

/// Files by their names.
type Files = BTreeMap<String, String>;

/// The program with all names filled in: those of nested commands are made of their parents'.
fn program() -> Command {
    let mut command = sitepilot::cli::command().disable_help_subcommand(true);
    command.build();
    command
}

/// The commands in it that are of its own; all have a `help`.
fn commands(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| command.get_name() != "help")
}

type Render = fn(&Man, &mut dyn std::io::Write) -> std::io::Result<()>;

/// What `.ie` and `.el` define: an apostrophe, whatever the printer has for one.
const APOSTROPHE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// Parts of a page, without the definition that each begins with, and without empty lines.
fn render(man: &Man, parts: &[Render]) -> String {
    let mut text = Vec::new();
    for part in parts {
        part(man, &mut text).unwrap();
    }
    let text = String::from_utf8(text).unwrap().replace(APOSTROPHE, "");
    let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    lines.map(|line| format!("{line}\n")).collect()
}

fn man(command: &Command) -> Man {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    // Of one version, and not of one day.
    let man = Man::new(command.clone()).title(name.to_uppercase());
    man.date("").source(concat!("sitepilot ", env!("CARGO_PKG_VERSION"))).manual("sitepilot")
}

const TITLE: Render = |man, to| man.render_title(to);
const NAME: Render = |man, to| man.render_name_section(to);
const SYNOPSIS: Render = |man, to| man.render_synopsis_section(to);
const DESCRIPTION: Render = |man, to| man.render_description_section(to);
const HEAD: [Render; 4] = [TITLE, NAME, SYNOPSIS, DESCRIPTION];
const OPTIONS: Render = |man, to| man.render_options_section(to);
const SUBCOMMANDS: Render = |man, to| man.render_subcommands_section(to);

/// The page of the program.
fn overview(program: &Command) -> String {
    let head = render(&man(program), &HEAD);
    let options = render(&man(program), &[OPTIONS, SUBCOMMANDS]);
    format!("{APOSTROPHE}{head}{options}{SECTIONS}")
}

/// The page of a command: those within it stand on it as sections.
fn page(command: &Command) -> String {
    let head = render(&man(command), &HEAD);
    let options = render(&man(command), &[OPTIONS]);
    let inner: String = commands(command).map(section).collect();
    format!("{APOSTROPHE}{head}{options}{inner}.SH SEE ALSO\n.BR sitepilot (1)\n")
}

/// A command within another one, without what all take.
fn section(command: &Command) -> String {
    let mut alone = command.clone();
    for global in ["config", "json", "help"] {
        if alone.get_arguments().any(|argument| argument.get_id() == global) {
            alone = alone.mut_arg(global, |argument| argument.hide(true));
        }
    }
    let body = render(&man(&alone), &[SYNOPSIS, DESCRIPTION, OPTIONS]);
    let body = body.replace(".SH SYNOPSIS\n", "").replace(".SH OPTIONS\n", "");
    let body = body.replace(".SH DESCRIPTION\n", ".PP\n");
    let title = command.get_bin_name().unwrap().to_uppercase().replace('-', "\\-");
    format!(".SH \"{title}\"\n{body}")
}

fn man_pages() -> Files {
    let program = program();
    let mut files = Files::from([("sitepilot.1".into(), overview(&program))]);
    for command in commands(&program) {
        files.insert(format!("sitepilot-{}.1", command.get_name()), page(command));
    }
    files
}

fn completions() -> Files {
    let shells = [
        (Shell::Bash, "sitepilot.bash"),
        (Shell::Zsh, "_sitepilot"),
        (Shell::Fish, "sitepilot.fish"),
    ];
    let made = shells.map(|(shell, name)| {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut sitepilot::cli::command(), "sitepilot", &mut text);
        (name.to_owned(), String::from_utf8(text).unwrap())
    });
    made.into()
}

fn read(directory: &Path) -> Files {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect()
}

/// Compares a directory with what should be in it, or makes it so.
fn hold(directory: &str, wanted: &Files) {
    let directory = Path::new(directory);
    if env::var_os("UPDATE").is_some() {
        fs::remove_dir_all(directory).unwrap();
        fs::create_dir(directory).unwrap();
        for (name, text) in wanted {
            fs::write(directory.join(name), text).unwrap();
        }
    }
    let found = read(directory);
    let hint = "hint: UPDATE=1 cargo test --test manual";
    assert!(found.keys().eq(wanted.keys()), "{found:?}\n{hint}", found = found.keys());
    for (name, text) in wanted {
        assert!(found[name] == *text, "{name} is not what the program says of itself\n{hint}");
    }
}

#[test]
fn the_man_pages_are_those_of_the_program() {
    hold("deploy/man", &man_pages());
}

#[test]
fn the_completions_are_those_of_the_program() {
    hold("deploy/completions", &completions());
}

#[test]
fn every_command_has_a_page_and_every_option_a_place_on_it() {
    fn assert_told(command: &Command, page: &str) {
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let Some(long) = argument.get_long() else { continue };
            let option = format!("\\-\\-{}", long.replace('-', "\\-"));
            assert!(page.contains(&option), "{}: {option}", command.get_name());
        }
        commands(command).for_each(|inner| assert_told(inner, page));
    }
    let (program, pages) = (program(), man_pages());
    for command in commands(&program) {
        assert_told(command, &pages[&format!("sitepilot-{}.1", command.get_name())]);
    }
}
