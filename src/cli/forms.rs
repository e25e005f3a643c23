//! What several commands name alike: kinds of records, and forms of lines.

use std::io::IsTerminal as _;

use crate::app::fetch::What;
use crate::cli::color::{self, Output};
use crate::normalize::Format;
use crate::sink::readable::{Columns, Look};

/// What a record is that Datto RMM sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    Alert,
    #[value(alias = "activity.device", alias = "activity.user")]
    Activity,
    Site,
    Device,
}

/// Form of the lines on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LineFormat {
    Ocsf,
    Ecs,
    Raw,
}

impl From<Kind> for What {
    /// An alert is open or resolved by its own word.
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Alert => Self::OpenAlerts,
            Kind::Activity => Self::Activity,
            Kind::Site => Self::Sites,
            Kind::Device => Self::Devices,
        }
    }
}

impl From<LineFormat> for Format {
    fn from(format: LineFormat) -> Self {
        match format {
            LineFormat::Ocsf => Self::Ocsf,
            LineFormat::Ecs => Self::Ecs,
            LineFormat::Raw => Self::Raw,
        }
    }
}

/// How events are shown on standard output.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Shown {
    /// Print events as JSON on a terminal too
    #[arg(long, conflicts_with = "wide", help_heading = "Output")]
    json: bool,
    /// Print all columns at full length, however wide the terminal is
    #[arg(long, help_heading = "Output")]
    wide: bool,
}

impl Shown {
    /// The look of lines for people; `None`: events as they are, which is what programs read.
    pub(crate) fn look(self) -> Option<Look> {
        let is_for_people = std::io::stdout().is_terminal() || self.wide;
        (is_for_people && !self.json).then(|| look(self.wide))
    }
}

/// The look of lines for people.
pub(crate) fn look(is_wide: bool) -> Look {
    let columns = if is_wide { Columns::Wide } else { Columns::Terminal };
    Look { columns, paint: color::paint(Output::Stdout) }
}
