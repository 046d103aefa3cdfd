//! A child process with a log file, an ordered stop and a violent one.
//!
//! Each child leads a process group of its own, so that Ctrl-C on the terminal reaches the demo alone and the demo
//! decides the order in which things stop.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; what it prints is appended to `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let open = || File::options().create(true).append(true).open(log);
        let out = open().with_context(|| format!("cannot open {}", log.display()))?;
        let errors = out.try_clone().context("cannot share the log file")?;
        command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(errors)
            .process_group(0);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {name} ({command:?})"))?;
        Ok(Process {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails, with the end of its log, if it has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        let Some(status) = self
            .child
            .try_wait()
            .context("cannot look at a child process")?
        else {
            return Ok(());
        };
        anyhow::bail!(
            "{} ended unasked ({status}); the end of its log:\n{}",
            self.name,
            tail(&self.log)
        );
    }

    /// Asks it to stop (SIGTERM). It may take its time.
    pub fn ask_to_stop(&self) -> anyhow::Result<()> {
        // The standard library sends no signal but SIGKILL, and this code base has no `unsafe`.
        let sent = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .stderr(Stdio::null())
            .status();
        sent.context("cannot run kill").map(|_| ())
    }

    /// Waits for its end until `deadline`, then kills it and says so.
    pub fn wait_until(&mut self, deadline: Instant) -> anyhow::Result<ExitStatus> {
        loop {
            if let Some(status) = self
                .child
                .try_wait()
                .context("cannot wait for a child process")?
            {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                self.kill()?;
                anyhow::bail!(
                    "{} did not stop in time and was killed; the end of its log:\n{}",
                    self.name,
                    tail(&self.log)
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks, and waits for at most `grace`.
    pub fn stop(&mut self, grace: Duration) -> anyhow::Result<ExitStatus> {
        self.ask_to_stop()?;
        self.wait_until(Instant::now() + grace)
    }

    /// kill -9, and waits for the end.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child
            .kill()
            .with_context(|| format!("cannot kill {}", self.name))?;
        self.child
            .wait()
            .context("cannot wait for a killed process")?;
        Ok(())
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        if self.child.kill().is_ok() {
            let _ended = self.child.wait();
        }
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Asks `condition` every 20 ms until it gives something or `limit` has passed.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = condition()? {
            return Ok(found);
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "waited {limit:?} in vain for {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
