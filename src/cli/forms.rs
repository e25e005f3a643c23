//! What several commands name alike: kinds of records, and forms of lines.

use crate::app::fetch::What;
use crate::normalize::Format;

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
