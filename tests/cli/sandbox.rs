//! A directory of its own for one test, with a store in it, and the program to run there.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The present of all tests: a month after the last line of the sample logs.
pub const NOW: &str = "2026-11-24T07:00:00Z";

/// See the module.
pub struct Sandbox {
    directory: tempfile::TempDir,
}

/// What a run of the program left behind.
pub struct Ran {
    /// Exit status.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    fn of(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program prints UTF-8");
        Ran {
            status: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// The run must have succeeded.
    #[track_caller]
    pub fn ok(self) -> Ran {
        assert_eq!(self.status, 0, "{}\n{}", self.out, self.err);
        self
    }

    /// The run must have failed with status 2 and words that contain these; nothing may stand on standard output.
    #[track_caller]
    pub fn fails_with(self, words: &[&str]) {
        assert_eq!((self.status, self.out.as_str()), (2, ""), "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not in: {}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
}

impl Sandbox {
    /// An empty directory.
    pub fn new() -> Sandbox {
        Sandbox {
            directory: tempfile::tempdir().expect("a temporary directory can be made"),
        }
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file into the directory.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("the directory is writable");
        path
    }

    /// Adds to a file of the directory.
    pub fn append(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path(name))
            .expect("the directory is writable");
        file.write_all(bytes.as_ref())
            .expect("the directory is writable");
    }

    /// Runs the program in the directory.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Ran {
        self.run_with(args, &[])
    }

    /// Runs the program in the directory, with more in its environment.
    pub fn run_with<S: AsRef<std::ffi::OsStr>>(&self, args: &[S], more: &[(&str, &str)]) -> Ran {
        let mut command = self.command(args);
        command.envs(more.iter().copied());
        Ran::of(command.output().expect("the program can be run"))
    }

    /// Runs the program in the directory, with this on its standard input.
    pub fn run_with_input<S: AsRef<std::ffi::OsStr>>(&self, args: &[S], input: &[u8]) -> Ran {
        let mut command = self.command(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be run");
        let mut pipe = child.stdin.take().expect("it was asked for");
        std::thread::scope(|scope| {
            // The program may have read enough before the end.
            scope.spawn(move || pipe.write_all(input).ok());
            Ran::of(child.wait_with_output().expect("the program can be run"))
        })
    }

    /// Starts the program in the directory and does not wait for it.
    pub fn start<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the program can be run")
    }

    /// The program with arguments, to be run in the directory.
    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tlsnag"));
        command
            .args(args)
            .current_dir(self.directory.path())
            .env_clear();
        command
            .env("TLSNAG_STORE", self.path("store.db"))
            .env("TLSNAG_NOW", NOW)
            .env("TZ", "UTC")
            .env("HOME", self.directory.path());
        command
    }
}

/// A file of `sample-logs/`.
pub fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("sample-logs")
        .join(name)
}
