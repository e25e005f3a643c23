//! One line at the end of a terminal that shows how far long work is.
//!
//! It goes through the queue of the log, so that a terminal that takes nothing costs redraws and nothing else, and so that a log line
//! never ends up in it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use crate::output::log::{self, Log};
use crate::output::width;

/// Redraws of a second at most.
const PER_SECOND: u8 = 5;

/// The line; it goes away with its owner.
#[derive(Debug)]
pub struct Bar {
    bar: ProgressBar,
    log: Log,
}

/// A terminal behind the queue of the log.
#[derive(Clone, Debug)]
struct Queued {
    log: Log,
    drawn: Arc<Mutex<String>>,
}

impl Bar {
    /// Shows the line on standard error; `None` if there is none.
    pub fn start() -> Option<Self> {
        log::stderr().map(Self::on)
    }

    fn on(log: Log) -> Self {
        log.keep_line(true);
        let queued = Queued { log: log.clone(), drawn: Arc::default() };
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(queued), PER_SECOND);
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(
            ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        Self { bar, log }
    }

    /// Shows another text, on one line: what does not fit is cut.
    pub fn show(&self, text: String) {
        self.bar.set_message(text);
        self.bar.tick();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.log.keep_line(false);
    }
}

impl Queued {
    fn draw(&self, text: &str) -> io::Result<()> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }
}

impl TermLike for Queued {
    fn width(&self) -> u16 {
        width::of(io::stderr())
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.draw(&format!("\u{1b}[{n}A")) }
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.draw(&format!("\u{1b}[{n}B")) }
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.draw(&format!("\u{1b}[{n}C")) }
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.draw(&format!("\u{1b}[{n}D")) }
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.draw(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw(log::ERASE)
    }

    fn flush(&self) -> io::Result<()> {
        let drawn = std::mem::take(&mut *self.drawn.lock().unwrap_or_else(PoisonError::into_inner));
        if !drawn.is_empty() {
            self.log.redraw(drawn.into_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::output::descriptor::tests::Scripted;

    /// A log line replaces the bar's line and never stands in it; afterwards nothing of the bar is left.
    #[test]
    fn a_log_line_erases_the_line_first_and_the_end_leaves_nothing() {
        let written = Scripted::default();
        let log = Log::start(written.clone(), |_| ()).unwrap();
        let bar = Bar::on(log.clone());
        bar.show("acme: alerts 250 records".to_owned());
        log.flush();
        assert!(written.text().trim_end().ends_with("acme: alerts 250 records"), "{:?}", written.text());
        log.push(b"WARN something\n".to_vec());
        std::thread::sleep(Duration::from_millis(250));
        bar.show("acme: alerts 500 records".to_owned());
        log.flush();
        let text = written.text();
        assert!(text.contains(&format!("{}WARN something\n", log::ERASE)), "{text:?}");
        assert!(text.contains("500 records"), "{text:?}");
        drop(bar);
        log.push(b"INFO done\n".to_vec());
        log.flush();
        let text = written.text();
        assert!(text.ends_with("INFO done\n"), "{text:?}");
        let before = text.trim_end_matches("INFO done\n");
        assert!(before.ends_with(log::ERASE) || before.ends_with('\r'), "{text:?}");
    }
}
