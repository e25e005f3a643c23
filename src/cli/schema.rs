//! `vintner schema`: the JSON Schema of events and of the configuration.

use crate::app::AppError;
use crate::cli::table;
use crate::config::schema::SCHEMA;
use crate::normalize::schema;

#[derive(Debug, clap::Args)]
pub(crate) struct Schema {
    /// One event class, by name or number, e.g. `detection_finding` or 2004 [default: all classes, chosen by class_uid]
    #[arg(long, conflicts_with = "config")]
    class: Option<String>,
    /// The configuration instead of events
    #[arg(long)]
    config: bool,
    /// List the event classes
    #[arg(long, conflicts_with_all = ["class", "config"])]
    list: bool,
}

impl Schema {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        if self.config {
            return table::print(SCHEMA);
        }
        if self.list {
            let rows = schema::CLASSES.map(|class| vec![class.uid.to_string(), class.name.to_owned()]);
            return table::print(&table::table(&["CLASS_UID", "NAME"], &rows));
        }
        let Some(class) = self.class else {
            return table::print(&(serde_json::to_string_pretty(&schema::all())? + "\n"));
        };
        let found = schema::find(&class).ok_or_else(|| {
            AppError::Configuration(format!(
                "vintner writes no events of a class {class:?}: `vintner schema --list` lists them"
            ))
        })?;
        table::print(found.text)
    }
}
