//! One vision process and the pipes to it.

use super::config::{OPENING, SEALING, VisionConfig};
use bytes::Bytes;
use contract::vision::{Answer, Ask, BadMessage, What, begin, head, lengths};
use std::{collections::HashSet, io, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child as Process, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};

/// A process. Dropping it kills it.
pub struct Child {
    process: Process,
    stdin: ChildStdin,
    stdout: ChildStdout,
    said: JoinHandle<String>,
    asks: u64,
    /// Models that it was asked for.
    opened: HashSet<String>,
}

/// Why it gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// Its pipes are closed.
    #[error("it has ended")]
    Ended(#[from] io::Error),
    /// It said something else.
    #[error("{0}")]
    Message(#[from] BadMessage),
    /// It answered what was not asked.
    #[error("the answer to ask {0} came for {1}")]
    Other(u64, u64),
}

impl Child {
    /// Starts one.
    pub fn start(config: &VisionConfig) -> io::Result<Child> {
        let mut command = Command::new(&config.program);
        command.arg("serve");
        for folder in &config.models {
            command.arg("--models").arg(folder);
        }
        if let Some(runtime) = &config.runtime {
            command.arg("--runtime").arg(runtime);
        }
        command
            .args(["--threads", &config.threads.to_string()])
            .args(["--memory-max", &config.memory_max.to_string()])
            .env("ORT_DISABLE_TELEMETRY", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.kill_on_drop(true).spawn()?;
        // Where memory runs out all the same, the kernel shall take this process and not the agent.
        if let Some(id) = process.id()
            && let Err(error) = std::fs::write(format!("/proc/{id}/oom_score_adj"), "500")
        {
            tracing::debug!(%error, "the vision process is not the first that the kernel would end");
        }
        let stdin = process.stdin.take().expect("standard input is a pipe");
        let stdout = process.stdout.take().expect("standard output is a pipe");
        let stderr = process.stderr.take().expect("standard error is a pipe");
        let said = tokio::spawn(async move {
            let (mut last, mut lines) =
                (String::new(), BufReader::new(stderr.take(1 << 20)).lines());
            while let Ok(Some(line)) = lines.next_line().await {
                tracing::debug!(line, "edge-vision");
                // Not what a panic adds: its backtrace is indented.
                let is_added = ["note: ", "stack backtrace", "  "];
                if !line.is_empty() && !is_added.iter().any(|added| line.starts_with(added)) {
                    last = line.chars().take(500).collect();
                }
            }
            // What comes after a mebibyte of complaints is thrown away, so that the process does not wait for us.
            let mut rest = lines.into_inner().into_inner().into_inner();
            let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
            last
        });
        Ok(Child {
            process,
            stdin,
            stdout,
            said,
            asks: 0,
            opened: HashSet::new(),
        })
    }

    /// True if it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// How long its answer may take.
    pub fn patience(&self, what: &What, patience: Duration) -> Duration {
        let mut names = models(what);
        match what {
            What::Seal { .. } => SEALING,
            _ if names.all(|name| self.opened.contains(name)) => patience,
            _ => patience + OPENING,
        }
    }

    /// Gives it an ask and waits for the answer. Not cancel-safe: whoever stops waiting lets go of the process.
    pub async fn ask(&mut self, what: What, body: &Bytes) -> Result<(Answer, Bytes), Broken> {
        self.asks += 1;
        self.opened
            .extend(models(&what).cloned().collect::<Vec<_>>());
        let ask = Ask {
            id: self.asks,
            what,
        };
        self.stdin.write_all(&begin(&ask, body.len())).await?;
        self.stdin.write_all(body).await?;
        self.stdin.flush().await?;
        let mut first = [0; 8];
        self.stdout.read_exact(&mut first).await?;
        let (head_length, body_length) = lengths(first)?;
        let mut bytes = vec![0; head_length];
        self.stdout.read_exact(&mut bytes).await?;
        let answer: Answer = head(&bytes)?;
        if answer.id != ask.id {
            return Err(Broken::Other(ask.id, answer.id));
        }
        let mut body = vec![0; body_length];
        self.stdout.read_exact(&mut body).await?;
        Ok((answer, body.into()))
    }

    /// Kills it, waits for its end, and gives its last words, after a colon.
    pub async fn end(mut self) -> String {
        // An error means that it has ended already.
        let _ = self.process.kill().await;
        let said = timeout(Duration::from_secs(1), &mut self.said).await;
        match said.ok().and_then(Result::ok) {
            Some(words) if !words.is_empty() => format!(": {words}"),
            _ => String::new(),
        }
    }
}

/// The models that an ask names.
fn models(what: &What) -> impl Iterator<Item = &String> {
    let (one, faces, lists): (_, _, [&[String]; 2]) = match what {
        What::Look {
            persons,
            faces,
            of_persons,
            of_picture,
            ..
        } => (Some(persons), faces.as_ref(), [of_persons, of_picture]),
        What::Faces { detectors, .. } => (None, None, [detectors, &[]]),
        What::Mask { .. } | What::Seal { .. } => (None, None, [&[], &[]]),
    };
    one.into_iter()
        .chain(faces)
        .chain(lists.into_iter().flatten())
}
