//! A camera over RTSP: its frames go into GStreamer's RTSP server, a process of its own that nobody here wrote.
//!
//! Needs Debian's python3-gi, gir1.2-gst-rtsp-server-1.0 and the plugins base, good, bad and ugly.

use super::plan::{CameraPlan, Codec};
use anyhow::{Context, bail};
use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
};

/// Debian's own Python: another one has no GStreamer.
const PYTHON: &str = "/usr/bin/python3";
const SCRIPT: &str = include_str!("rtsp_server.py");

/// A running server. Dropping it ends it.
pub struct Server {
    /// Where it can be watched.
    pub url: String,
    child: Child,
}

/// Whether the server can run here; else what is missing, in words.
pub fn can_run() -> Result<(), String> {
    let asked = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; \
         Gst.init(None); missing = [n for n in ('x264enc', 'x265enc', 'rtph264pay', 'h265parse') if not Gst.ElementFactory.find(n)]; \
         exit(f'GStreamer has no {missing}' if missing else 0)";
    let said = Command::new(PYTHON).args(["-c", asked]).output();
    match said {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("{PYTHON}: {error}")),
    }
}

impl Server {
    /// Starts it and waits until it listens. Frames are written to what comes with it, RGB, one after the other.
    pub async fn start(
        camera: &CameraPlan,
        codec: Codec,
        port: u16,
    ) -> anyhow::Result<(Server, ChildStdin)> {
        let codec = match codec {
            Codec::H264 => "h264",
            Codec::H265 => "h265",
        };
        let mut command = Command::new(PYTHON);
        command.args(["-c", SCRIPT, &port.to_string()]);
        command.args([camera.width.to_string(), camera.height.to_string()]);
        command.args([camera.frames_per_s.to_string(), codec.to_owned()]);
        if let Some(login) = &camera.login {
            command.args([&login.user, &login.password]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {PYTHON}"))?;
        let stdin = child.stdin.take().context("the RTSP server has no input")?;
        let stdout = child
            .stdout
            .take()
            .context("the RTSP server has no output")?;
        let server = Server {
            url: format!("rtsp://127.0.0.1:{port}/live"),
            child,
        };
        let said = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).map(|_| line)
        });
        if said.await??.trim() != "ready" {
            bail!(
                "the RTSP server did not start; it needs what {:?} says",
                can_run()
            );
        }
        Ok((server, stdin))
    }

    /// Its process, so that a test may stop or freeze it.
    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
