//! Writes the song input: one small file a song, in folders by three letters of its name.

use std::io;
use std::path::{Path, PathBuf};

use super::edge_cases::{self, EdgeCaseCycle, Outcome};
use super::file_writer::{ProgressMeter, create_folder, write_file};
use super::random::Rng;
use super::song_catalog::SongCatalog;
use super::text::{letter, push_identifier};
use super::{GenerateOptions, SongSummary};

const TRACK_ID: u64 = 32;

/// Songs in a folder, as long as there are letters for more folders.
const FOLDER: u64 = 50;
const MOST_FOLDERS: u64 = 26 * 26 * 26;

/// Where songs go.
struct SongTree<'a> {
    root: &'a Path,
    catalogue: &'a SongCatalog,
    seed: u64,
    count: u64,
}

/// Writes the folder `root`.
pub(super) fn write(
    root: &Path,
    options: &GenerateOptions,
    catalogue: &SongCatalog,
    meter: &mut ProgressMeter,
) -> io::Result<SongSummary> {
    let count = (catalogue.songs / FOLDER).clamp(1, MOST_FOLDERS);
    let shelves = SongTree {
        root,
        catalogue,
        seed: options.seed,
        count,
    };
    create_folder(root)?;
    if catalogue.songs > 0 || options.awkward {
        (0..count).try_for_each(|nth| create_folder(&shelves.folder(nth)))?;
    }
    let mut summary = SongSummary::default();
    write_catalogue(&shelves, &mut summary, meter)?;
    if options.awkward {
        write_awkward(&shelves, &mut summary, meter)?;
        edge_cases::write_strays(root, &mut summary.input, meter)?;
    }
    Ok(summary)
}

/// One file a song of the catalogue.
fn write_catalogue(
    shelves: &SongTree,
    summary: &mut SongSummary,
    meter: &mut ProgressMeter,
) -> io::Result<()> {
    let catalogue = shelves.catalogue;
    let mut sings = vec![false; catalogue.artists as usize];
    let mut text = Vec::new();
    for song in 0..catalogue.songs {
        text.clear();
        catalogue.push_song(&mut text, song);
        summary
            .input
            .add_object(write_file(&shelves.file(song), &text, meter)?);
        if let Some(sings) = sings.get_mut(catalogue.artist(song) as usize) {
            *sings = true;
        }
    }
    summary.input.records += catalogue.songs;
    summary.songs += catalogue.songs;
    summary.artists += sings.iter().filter(|sings| **sings).count() as u64;
    Ok(())
}

/// One file an awkward case, made of songs beyond those of the catalogue.
fn write_awkward(
    shelves: &SongTree,
    summary: &mut SongSummary,
    meter: &mut ProgressMeter,
) -> io::Result<()> {
    let mut cases = EdgeCaseCycle::of_songs();
    let mut song = shelves.catalogue.songs;
    let mut text = Vec::new();
    for nth in 0..cases.needed_for(shelves.catalogue.songs) {
        let file = shelves.file(shelves.catalogue.songs + nth);
        text.clear();
        let piece = cases.write(&mut text, |record| {
            shelves.catalogue.push_song(record, song);
            song += 1;
        });
        summary.input.add_object(write_file(&file, &text, meter)?);
        if piece.plain.is_some() {
            summary.add_song();
        }
        match piece.case.outcome {
            Outcome::Kept if piece.fresh.is_some() => {
                summary.add_song();
                summary.artists -= u64::from(piece.case.changes_any(&["artist_id"]));
            }
            Outcome::Kept | Outcome::Filtered | Outcome::Duplicate => summary.input.records += 1,
            Outcome::Rejected(reason) => summary.input.reject(reason),
        }
    }
    Ok(())
}

impl SongSummary {
    /// A song of its own by an artist of its own.
    fn add_song(&mut self) {
        self.input.records += 1;
        self.songs += 1;
        self.artists += 1;
    }
}

impl SongTree<'_> {
    fn letters(&self, song: u64) -> [u8; 3] {
        let shelf = song % self.count;
        [26 * 26, 26, 1].map(|unit| (shelf / unit % 26) as u8)
    }

    fn folder(&self, song: u64) -> PathBuf {
        let mut path = self.root.to_path_buf();
        path.extend(
            self.letters(song)
                .map(|nth| char::from(letter(nth)).to_string()),
        );
        path
    }

    fn file(&self, song: u64) -> PathBuf {
        let [a, b, c] = self.letters(song);
        let [d, e, ..] = Rng::of(self.seed, TRACK_ID, song).next().to_le_bytes();
        let mut name = Vec::new();
        push_identifier(
            &mut name,
            "TR",
            [a, b, c, d, e],
            self.catalogue.scattered(song),
        );
        self.folder(song)
            .join(format!("{}.json", String::from_utf8_lossy(&name)))
    }
}
