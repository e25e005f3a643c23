//! The program on a pseudo-terminal.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const PATIENCE: Duration = Duration::from_secs(60);

/// A program whose standard streams are a terminal.
pub(crate) struct OnTerminal {
    child: Child,
    keyboard: File,
    shown: Receiver<Vec<u8>>,
    seen: String,
}

impl OnTerminal {
    /// Starts `command` on a terminal that is `columns` wide.
    pub(crate) fn start(mut command: Command, columns: u16) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&terminal).expect("granted");
        unlockpt(&terminal).expect("unlocked");
        let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).expect("sized");
        let name = ptsname(&terminal, Vec::new()).expect("a name").into_string().expect("UTF-8");
        let open = || Stdio::from(OpenOptions::new().read(true).write(true).open(&name).expect("the terminal opens"));
        command.stdin(open()).stdout(open()).stderr(open());
        let child = command.env("TERM", "xterm-256color").env_remove("COLUMNS").spawn().expect("the binary starts");
        // The terminal ends when nobody has it open any more.
        drop(command);
        let keyboard = File::from(terminal.try_clone().expect("a second handle"));
        Self { child, keyboard, shown: reader(terminal), seen: String::new() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Types text.
    pub(crate) fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("typed");
    }

    /// Waits until the screen has shown `text`.
    pub(crate) fn waits_for(&mut self, text: &str) {
        while !self.seen.contains(text) {
            let more = self.shown.recv_timeout(PATIENCE);
            let more = more.unwrap_or_else(|_| panic!("{text:?} was not shown: {}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
    }

    /// Everything that was shown until the program ended, and its exit code.
    pub(crate) fn ends(mut self) -> (String, Option<i32>) {
        let code = self.child.wait().expect("it ends").code();
        while let Ok(more) = self.shown.recv_timeout(PATIENCE) {
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
        (self.seen.replace("\r\n", "\n"), code)
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        // A test that fails leaves nothing running.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads a terminal on a thread of its own until nobody has it open.
fn reader(terminal: OwnedFd) -> Receiver<Vec<u8>> {
    let (send, shown) = channel();
    std::thread::spawn(move || {
        let mut terminal = File::from(terminal);
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = terminal.read(&mut bytes) {
            if send.send(bytes[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    shown
}
