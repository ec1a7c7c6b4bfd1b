//! Cleaning: what runs left behind, and whole runs that newer ones have replaced.
//!
//! Below a prefix, and in a folder that such a prefix was copied to, each run has a folder of its own.
//! Beside a folder that is exchanged as a whole a killed run leaves its staging folder.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde::Serialize;

use super::folder::Leftover;
use super::rejects::REJECTS;
use super::report::{FAILED_REPORT, REPORT};
use super::runs::{LATEST, Latest, RunId};
use crate::error::{Error, Result};
use crate::star::schema;
use crate::storage::s3::S3;
use crate::storage::{Depth, Local, Place, Store, Stores};

/// What is at an output, and what of it would go.
#[derive(Debug, Serialize)]
pub struct Cleaning {
    /// What goes.
    pub remove: Vec<Found>,
    /// Runs that stay.
    pub keep: Vec<Found>,
    #[serde(skip)]
    at: At,
}

/// Where the runs are.
#[derive(Debug)]
enum At {
    /// In a folder, if there is one, or beside it.
    Folder(Option<Local>, Vec<(State, Leftover)>),
    Bucket(S3),
}

/// A run, or what is left of one.
#[derive(Debug, Serialize)]
pub struct Found {
    /// Where it is.
    pub name: String,
    /// What it is.
    pub state: State,
    /// Its objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Uploads in parts that were never finished.
    pub uploads: usize,
    #[serde(skip)]
    id: Option<RunId>,
    #[serde(skip)]
    contents: Contents,
}

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// To the end.
    Whole,
    /// To the end, and `latest.json` names it.
    Latest,
    /// Not to the end.
    Unfinished,
    /// Not to the end yet, but it may be under way.
    Recent,
    /// To its end, and published nothing: it keeps its rejects and a report.
    Failed,
}

#[derive(Debug, Default)]
struct Contents {
    keys: Vec<String>,
    /// Keys and ids.
    uploads: Vec<(String, String)>,
    bytes: u64,
}

/// Looks what is at `out`. Of whole runs the newest `keep` stay, and always the one that `latest.json`
/// names; of others those that began less than `grace` ago.
///
/// # Errors
/// It cannot be listed.
pub fn look(stores: &Stores, out: &Place, keep: usize, grace: Duration) -> Result<Cleaning> {
    let (at, runs, latest) = match out {
        Place::Local(path) => {
            let leftovers = [
                (State::Unfinished, Leftover::beside(path)?),
                (State::Failed, Leftover::failed_beside(path)?),
            ];
            let leftovers = leftovers.into_iter();
            let leftovers: Vec<_> = leftovers
                .filter_map(|(state, l)| Some((state, l?)))
                .collect();
            let folder = path.is_dir().then(|| Local::new(path)).transpose()?;
            let folder = folder.map(Local::without_links);
            if folder.is_none() && leftovers.is_empty() {
                return Err(Error::failed(format!("cannot clean {}", path.display()))
                    .because("there is no such folder"));
            }
            let runs = folder.as_ref().map(|store| runs(store)).transpose()?;
            let latest = std::fs::read(path.join(LATEST)).ok();
            (
                At::Folder(folder, leftovers),
                runs.unwrap_or_default(),
                latest,
            )
        }
        Place::S3 { bucket, prefix } => {
            let store = stores.bucket(bucket, prefix)?;
            let mut runs = runs(&store)?;
            for (key, upload) in store.unfinished()? {
                if let Some((first, _)) = key.split_once('/')
                    && let Ok(id) = first.parse()
                {
                    let run: &mut Contents = runs.entry(id).or_default();
                    run.uploads.push((key, upload));
                }
            }
            let latest = store.get(LATEST)?.map(|(json, _)| json);
            (At::Bucket(store), runs, latest)
        }
    };
    let latest = latest.and_then(|json| serde_json::from_slice::<Latest>(&json).ok());
    Ok(Cleaning::new(at, runs, latest, keep, grace))
}

/// Whether a run writes objects of such a name: what others put beside them is not ours to remove.
fn is_of_run(key: &str) -> bool {
    let Some((_, name)) = key.split_once('/') else {
        return false;
    };
    let is_table = |folder: &str| schema::all().any(|table| table.folder == folder);
    if name == REPORT
        || name == FAILED_REPORT
        || name.strip_suffix(".manifest").is_some_and(is_table)
    {
        return true;
    }
    match name.rsplit_once('/') {
        None => false,
        Some((REJECTS, file)) => file.ends_with(".jsonl"),
        Some((folder, file)) => {
            is_table(folder) && file.starts_with("part-") && file.ends_with(".parquet")
        }
    }
}

/// The runs in a store, and what they wrote.
fn runs(store: &dyn Store) -> Result<BTreeMap<RunId, Contents>> {
    let mut runs = BTreeMap::new();
    for prefix in store.list("", Depth::Level)?.prefixes {
        let Ok(id) = prefix.trim_end_matches('/').parse::<RunId>() else {
            continue;
        };
        let mut contents = Contents::default();
        let mut below = vec![prefix];
        while let Some(prefix) = below.pop() {
            let level = store.list(&prefix, Depth::Whole)?;
            below.extend(level.prefixes);
            let ours = level.objects.into_iter().filter(|o| is_of_run(&o.key));
            for object in ours {
                contents.bytes += object.size;
                contents.keys.push(object.key);
            }
        }
        runs.insert(id, contents);
    }
    Ok(runs)
}

impl Cleaning {
    fn new(
        at: At,
        runs: BTreeMap<RunId, Contents>,
        latest: Option<Latest>,
        keep: usize,
        grace: Duration,
    ) -> Self {
        let (mut go, mut stay) = (Vec::new(), Vec::new());
        let leftovers = match &at {
            At::Folder(_, leftovers) => leftovers.as_slice(),
            At::Bucket(_) => &[],
        };
        for (state, leftover) in leftovers {
            go.push(Found {
                name: leftover.path().display().to_string(),
                state: *state,
                objects: leftover.files(),
                bytes: leftover.bytes(),
                uploads: 0,
                id: None,
                contents: Contents::default(),
            });
        }
        let oldest = TimeDelta::from_std(grace)
            .ok()
            .and_then(|grace| Utc::now().checked_sub_signed(grace));
        let mut whole = 0;
        for (id, contents) in runs.into_iter().rev() {
            let report = format!("{id}/{REPORT}");
            let is_whole = contents.keys.contains(&report);
            whole += usize::from(is_whole);
            let named = latest
                .as_ref()
                .is_some_and(|latest| latest.run == id.to_string());
            let state = if named {
                State::Latest
            } else if is_whole {
                State::Whole
            } else if contents.keys.contains(&format!("{id}/{FAILED_REPORT}")) {
                State::Failed
            } else if id.began() < oldest {
                State::Unfinished
            } else {
                State::Recent
            };
            let stays = match state {
                State::Whole => whole <= keep,
                State::Latest | State::Recent => true,
                State::Unfinished | State::Failed => false,
            };
            let run = Found {
                name: at.display(&id.to_string()),
                state,
                objects: contents.keys.len() as u64,
                bytes: contents.bytes,
                uploads: contents.uploads.len(),
                id: Some(id),
                contents,
            };
            if stays { &mut stay } else { &mut go }.push(run);
        }
        Self {
            remove: go,
            keep: stay,
            at,
        }
    }

    /// Removes what is to go. A run is not whole any more from the first object on.
    ///
    /// # Errors
    /// Something cannot be removed; what is left goes with the next cleaning.
    pub fn carry_out(self) -> Result<()> {
        for found in self.remove {
            let Contents {
                mut keys, uploads, ..
            } = found.contents;
            let report = found.id.as_ref().map(|id| format!("{id}/{REPORT}"));
            if found.state == State::Unfinished
                && let (Some(id), Some(report)) = (&found.id, &report)
                && self.at.holds(id, report)?
            {
                // It was finished meanwhile.
                continue;
            }
            // Without its report nobody takes the rest for a run.
            keys.sort_by_key(|key| Some(key) != report.as_ref());
            match &self.at {
                At::Folder(Some(store), _) => {
                    store.remove(&keys)?;
                    if let Some(id) = found.id {
                        store.prune(&id.to_string());
                    }
                }
                At::Folder(None, _) => {}
                At::Bucket(store) => {
                    for (key, upload) in &uploads {
                        store.abort(key, upload)?;
                    }
                    let at = keys.len().min(1);
                    let (first, rest) = keys.split_at(at);
                    store.remove(first)?;
                    store.remove(rest)?;
                }
            }
        }
        if let At::Folder(_, leftovers) = self.at {
            for (_, leftover) in leftovers {
                leftover.remove()?;
            }
        }
        Ok(())
    }
}

impl At {
    /// Whether a run has an object of that key by now.
    fn holds(&self, run: &RunId, key: &str) -> Result<bool> {
        let prefix = format!("{run}/");
        let level = match self {
            Self::Folder(Some(store), _) => store.list(&prefix, Depth::Level)?,
            Self::Folder(None, _) => return Ok(false),
            Self::Bucket(store) => store.list(&prefix, Depth::Level)?,
        };
        Ok(level.objects.iter().any(|object| object.key == key))
    }

    fn display(&self, key: &str) -> String {
        match self {
            Self::Folder(Some(store), _) => store.display(key),
            Self::Folder(None, _) => key.to_owned(),
            Self::Bucket(store) => store.display(key),
        }
    }
}
