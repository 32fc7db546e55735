//! Progress of a sync on a terminal; silent elsewhere and under `--json`.
use std::collections::BTreeMap;
use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use stunity_sync::client::Event;

/// Bars for packs and files that are under way.
pub struct Progress {
    shown: Option<MultiProgress>,
    bars: BTreeMap<Vec<u8>, ProgressBar>,
}

impl Progress {
    /// Shows bars if somebody watches.
    pub fn new(json: bool) -> Self {
        let is_watched = !json && std::io::stderr().is_terminal();
        Self {
            shown: is_watched.then(MultiProgress::new),
            bars: BTreeMap::new(),
        }
    }

    /// Hears what a session tells.
    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Sending { pack, sent, total } => {
                self.set(&pack.0, "sending", u64::from(*sent), u64::from(*total));
            }
            Event::Receiving { pack, held, total } => {
                self.set(&pack.0, "receiving", u64::from(*held), u64::from(*total));
            }
            Event::File {
                blob,
                is_upload,
                done,
                total,
            } => {
                let what = if *is_upload { "file up" } else { "file down" };
                self.set(&blob.0, what, *done, *total);
            }
            _ => {}
        }
    }

    fn set(&mut self, name: &[u8], what: &'static str, done: u64, total: u64) {
        let Some(shown) = &self.shown else { return };
        let bar = self.bars.entry(name.to_vec()).or_insert_with(|| {
            let style = ProgressStyle::with_template(
                "{prefix:>10} {bar:24} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}",
            )
            .expect("the template is a constant");
            shown.add(ProgressBar::new(total).with_style(style).with_prefix(what))
        });
        bar.set_position(done);
        if done == total {
            bar.finish_and_clear();
            self.bars.remove(name);
        }
    }
}
