//! Writes the song input: one small file per song, in directories by three letters of the file name.

use std::io;
use std::path::{Path, PathBuf};

use super::edge_cases::{self, EdgeCaseCycle, ExpectedOutcome};
use super::file_writer::{ProgressMeter, create_dir, write_file};
use super::json_text::{letter, push_identifier};
use super::options::GenerateOptions;
use super::random::Rng;
use super::song_catalog::SongCatalog;
use super::summary::SongSummary;

const TRACK_ID_STREAM: u64 = 32;

/// Songs per directory, as long as there are letters for more directories.
const SONGS_PER_DIR: u64 = 50;
const MAX_DIRS: u64 = 26 * 26 * 26;

/// The directory tree of the song files.
struct SongTree<'a> {
    root: &'a Path,
    catalog: &'a SongCatalog,
    seed: u64,
    dir_count: u64,
}

/// Writes the song files into the directory `root`.
pub(super) fn write(
    root: &Path,
    options: &GenerateOptions,
    catalog: &SongCatalog,
    meter: &mut ProgressMeter,
) -> io::Result<SongSummary> {
    let count = (catalog.songs / SONGS_PER_DIR).clamp(1, MAX_DIRS);
    let tree = SongTree {
        root,
        catalog,
        seed: options.seed,
        dir_count: count,
    };
    create_dir(root)?;
    if catalog.songs > 0 || options.edge_cases {
        (0..count).try_for_each(|nth| create_dir(&tree.dir_path(nth)))?;
    }
    let mut summary = SongSummary::default();
    write_songs(&tree, &mut summary, meter)?;
    if options.edge_cases {
        write_edge_cases(&tree, &mut summary, meter)?;
        edge_cases::write_files_without_records(root, &mut summary.input, meter)?;
    }
    Ok(summary)
}

/// Writes one file per song of the catalog.
fn write_songs(
    tree: &SongTree,
    summary: &mut SongSummary,
    meter: &mut ProgressMeter,
) -> io::Result<()> {
    let catalog = tree.catalog;
    let mut has_song = vec![false; catalog.artists as usize];
    let mut text = Vec::new();
    for song in 0..catalog.songs {
        text.clear();
        catalog.push_song(&mut text, song);
        summary
            .input
            .add_object(write_file(&tree.file_path(song), &text, meter)?);
        if let Some(artist_has_song) = has_song.get_mut(catalog.artist_of(song) as usize) {
            *artist_has_song = true;
        }
    }
    summary.input.records += catalog.songs;
    summary.songs += catalog.songs;
    summary.artists += has_song.iter().filter(|has_song| **has_song).count() as u64;
    Ok(())
}

/// Writes one file per edge case, from songs beyond those of the catalog.
fn write_edge_cases(
    tree: &SongTree,
    summary: &mut SongSummary,
    meter: &mut ProgressMeter,
) -> io::Result<()> {
    let mut cases = EdgeCaseCycle::for_songs();
    let mut song = tree.catalog.songs;
    let mut text = Vec::new();
    for nth in 0..cases.count_for(tree.catalog.songs) {
        let file = tree.file_path(tree.catalog.songs + nth);
        text.clear();
        let written_case = cases.write_next(&mut text, |record| {
            tree.catalog.push_song(record, song);
            song += 1;
        });
        summary.input.add_object(write_file(&file, &text, meter)?);
        if written_case.clean_record.is_some() {
            summary.count_song();
        }
        match written_case.case.outcome {
            ExpectedOutcome::Kept if written_case.fresh_record.is_some() => {
                summary.count_song();
                summary.artists -= u64::from(written_case.case.changes_any(&["artist_id"]));
            }
            ExpectedOutcome::Kept | ExpectedOutcome::Filtered | ExpectedOutcome::Duplicate => {
                summary.input.records += 1
            }
            ExpectedOutcome::Rejected(reason) => summary.input.count_reject(reason),
        }
    }
    Ok(())
}

impl SongSummary {
    /// Counts a record with a new song by a new artist.
    fn count_song(&mut self) {
        self.input.records += 1;
        self.songs += 1;
        self.artists += 1;
    }
}

impl SongTree<'_> {
    fn dir_letters(&self, song: u64) -> [u8; 3] {
        let dir = song % self.dir_count;
        [26 * 26, 26, 1].map(|unit| (dir / unit % 26) as u8)
    }

    fn dir_path(&self, song: u64) -> PathBuf {
        let mut path = self.root.to_path_buf();
        path.extend(
            self.dir_letters(song)
                .map(|nth| char::from(letter(nth)).to_string()),
        );
        path
    }

    fn file_path(&self, song: u64) -> PathBuf {
        let [a, b, c] = self.dir_letters(song);
        let [d, e, ..] = Rng::new(self.seed, TRACK_ID_STREAM, song)
            .next_u64()
            .to_le_bytes();
        let mut name = Vec::new();
        push_identifier(
            &mut name,
            "TR",
            [a, b, c, d, e],
            self.catalog.scramble(song),
        );
        self.dir_path(song)
            .join(format!("{}.json", String::from_utf8_lossy(&name)))
    }
}
