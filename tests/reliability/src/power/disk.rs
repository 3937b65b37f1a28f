//! What a disk may hold when the power fails.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Result;
use crate::random::Random;
use crate::vfs::Event;

/// Files as they are on a disk with a cache of its own: what was synced, and what was written since and may be there, or
/// not, or in part, in any order.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: BTreeMap<String, File>,
    /// Files that are deleted, of which the disk may not know yet.
    deleted: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug, Default)]
struct File {
    /// What is on the disk, if the file is.
    synced: Option<Vec<u8>>,
    /// What was done since.
    since: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: std::sync::Arc<[u8]> },
    Truncate(usize),
}

/// A file that the power left, by its name.
pub(crate) type Image = Vec<(String, Vec<u8>)>;

/// How much of what was not synced is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    All,
    Nothing,
    /// The first so many changes, and a part of the next one.
    Beginning,
    /// Each change, or a part of it, or not.
    Some,
    /// Of each sector any of the states that it had.
    Sectors,
}

impl Disk {
    /// A disk with files that were there before.
    pub(crate) fn with(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let file = |(name, bytes)| (name, File { synced: Some(bytes), since: Vec::new() });
        Self { files: files.into_iter().map(file).collect(), deleted: BTreeMap::new() }
    }

    /// What was done next.
    pub(crate) fn happen(&mut self, event: &Event) {
        match event {
            Event::Write { name, offset, bytes } => {
                let offset = usize::try_from(*offset).unwrap_or(usize::MAX);
                self.file(name).since.push(Change::Write { offset, bytes: bytes.clone() });
            }
            Event::Truncate { name, size } => {
                let size = usize::try_from(*size).unwrap_or(usize::MAX);
                self.file(name).since.push(Change::Truncate(size));
            }
            Event::Sync { name, folder } => {
                let file = self.file(name);
                let mut bytes = file.synced.take().unwrap_or_default();
                file.since.drain(..).for_each(|change| change.apply(&mut bytes));
                file.synced = Some(bytes);
                if *folder {
                    self.deleted.clear();
                    self.files.values_mut().for_each(|file| {
                        file.synced.get_or_insert_default();
                    });
                }
            }
            Event::Delete { name, synced } => {
                if let Some(file) = self.files.remove(name)
                    && let Some(bytes) = file.synced
                    && !synced
                {
                    self.deleted.insert(name.clone(), bytes);
                }
            }
            Event::Mark(_) => {}
        }
    }

    fn file(&mut self, name: &str) -> &mut File {
        self.files.entry(name.to_owned()).or_default()
    }

    /// What the disk may hold if the power fails now.
    pub(crate) fn fail(&self, random: &mut Random) -> Image {
        let sector = if random.percent(50) { 512 } else { 4096 };
        let mut image = Image::new();
        for (name, file) in &self.files {
            if self.deleted.contains_key(name) && random.percent(50) {
                continue;
            }
            if file.synced.is_none() && random.percent(30) {
                continue;
            }
            let kept = [Kept::All, Kept::Nothing, Kept::Beginning, Kept::Some, Kept::Sectors];
            let kept = random.choose(&kept).copied().unwrap_or(Kept::All);
            image.push((name.clone(), file.after(kept, sector, random)));
        }
        for (name, bytes) in &self.deleted {
            if !image.iter().any(|(there, _)| there == name) && random.percent(50) {
                image.push((name.clone(), bytes.clone()));
            }
        }
        // What processes shared in memory may lie there as anything.
        if random.percent(20) {
            let noise = (0..32_768 / 8).flat_map(|_| random.next().to_le_bytes()).collect();
            image.extend(image.first().map(|(name, _)| (format!("{}-shm", base(name)), noise)));
        }
        image
    }

    /// All files as SQLite sees them.
    pub(crate) fn now(&self) -> Image {
        let all = |file: &File| file.after(Kept::All, 512, &mut Random::new(0));
        self.files.iter().map(|(name, file)| (name.clone(), all(file))).collect()
    }
}

fn base(name: &str) -> &str {
    name.strip_suffix("-wal").or_else(|| name.strip_suffix("-journal")).unwrap_or(name)
}

impl File {
    fn after(&self, kept: Kept, sector: usize, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.synced.clone().unwrap_or_default();
        match kept {
            Kept::Nothing => {}
            Kept::All => self.since.iter().for_each(|change| change.apply(&mut bytes)),
            Kept::Beginning => {
                let count = random.index(self.since.len() + 1);
                self.since.iter().take(count).for_each(|change| change.apply(&mut bytes));
                if let Some(next) = self.since.get(count) {
                    next.tear(&mut bytes, sector, random, true);
                }
            }
            Kept::Some => {
                for change in &self.since {
                    match random.below(4) {
                        0 => {}
                        1 => change.tear(&mut bytes, sector, random, false),
                        _ => change.apply(&mut bytes),
                    }
                }
            }
            Kept::Sectors => self.any_state_of_each_sector(&mut bytes, sector, random),
        }
        bytes
    }

    fn any_state_of_each_sector(&self, bytes: &mut Vec<u8>, sector: usize, random: &mut Random) {
        let size = {
            let mut size = bytes.len();
            self.since.iter().take(random.index(self.since.len() + 1)).for_each(|change| size = change.size(size));
            size
        };
        // For each sector how many of the changes it has seen.
        let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
        for (number, change) in self.since.iter().enumerate() {
            let Change::Write { offset, bytes: new } = change else { continue };
            for (at, piece) in pieces(*offset, new, sector) {
                let until = *seen.entry(at / sector).or_insert_with(|| random.index(self.since.len() + 1));
                if number < until {
                    put(bytes, at, piece);
                }
            }
        }
        bytes.resize(size, 0);
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => put(to, *offset, bytes),
            Self::Truncate(size) => to.resize(*size, 0),
        }
    }

    fn size(&self, before: usize) -> usize {
        match self {
            Self::Write { offset, bytes } => before.max(offset + bytes.len()),
            Self::Truncate(size) => *size,
        }
    }

    /// Some of its sectors, or only the first ones.
    fn tear(&self, to: &mut Vec<u8>, sector: usize, random: &mut Random, in_order: bool) {
        let Self::Write { offset, bytes } = self else { return };
        let count = random.index(bytes.len() / sector + 2);
        for (number, (at, piece)) in pieces(*offset, bytes, sector).enumerate() {
            if if in_order { number < count } else { random.percent(50) } {
                put(to, at, piece);
            }
        }
    }
}

/// A write cut where sectors of the disk begin.
fn pieces(offset: usize, bytes: &[u8], sector: usize) -> impl Iterator<Item = (usize, &[u8])> {
    let (mut at, mut rest) = (offset, bytes);
    std::iter::from_fn(move || {
        let (piece, behind) = rest.split_at_checked((sector - at % sector).min(rest.len()))?;
        if piece.is_empty() {
            return None;
        }
        let begin = at;
        (at, rest) = (at + piece.len(), behind);
        Some((begin, piece))
    })
}

fn put(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    if let Some(place) = to.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

/// Writes the files of an image into an empty folder.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn write(image: &Image, folder: &Path) -> Result<()> {
    for (name, bytes) in image {
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(offset: u64, byte: u8, length: usize) -> Event {
        Event::Write { name: "f".into(), offset, bytes: vec![byte; length].into() }
    }

    fn sync() -> Event {
        Event::Sync { name: "f".into(), folder: false }
    }

    fn disk(events: &[Event]) -> Disk {
        let mut disk = Disk::default();
        events.iter().for_each(|event| disk.happen(event));
        disk
    }

    fn contents(disk: &Disk) -> Vec<Option<Vec<u8>>> {
        let mut random = Random::new(5);
        let file = |image: Image| image.into_iter().find(|(name, _)| name == "f").map(|(_, bytes)| bytes);
        (0..300).map(|_| file(disk.fail(&mut random))).collect()
    }

    #[test]
    fn what_was_synced_is_always_there() {
        let disk = disk(&[write(0, 1, 1000), sync(), write(1000, 2, 3000)]);
        assert_eq!(disk.now()[0].1.len(), 4000);
        let contents = contents(&disk);
        assert!(contents.iter().all(|bytes| bytes.as_ref().unwrap()[..1000] == [1; 1000]));
        let sizes: std::collections::BTreeSet<usize> =
            contents.iter().map(|bytes| bytes.as_ref().unwrap().len()).collect();
        assert!(sizes.contains(&1000) && sizes.contains(&4000) && sizes.len() > 3, "{sizes:?}");
        let has_hole =
            |bytes: &Vec<u8>| bytes.len() == 4000 && bytes[1000..].contains(&0) && bytes[1000..].contains(&2);
        assert!(contents.iter().flatten().any(has_hole), "no image has a hole");
    }

    #[test]
    fn later_writes_may_reach_the_disk_before_earlier_ones() {
        let disk = disk(&[write(0, 1, 8192), sync(), write(0, 2, 4096), write(4096, 3, 4096)]);
        let seen: std::collections::BTreeSet<(u8, u8)> =
            contents(&disk).into_iter().flatten().map(|bytes| (bytes[0], bytes[8191])).collect();
        assert_eq!(seen, [(1, 1), (2, 1), (1, 3), (2, 3)].into());
    }

    #[test]
    fn a_deleted_file_may_come_back_until_the_folder_is_synced() {
        let delete = |synced| Event::Delete { name: "f".into(), synced };
        let gone = contents(&disk(&[write(0, 1, 10), sync(), delete(true)]));
        assert!(gone.iter().all(Option::is_none));
        let unsure = contents(&disk(&[write(0, 1, 10), sync(), delete(false)]));
        assert!(unsure.iter().any(Option::is_none) && unsure.contains(&Some(vec![1; 10])));
        let anew = [write(0, 1, 10), sync(), delete(false), write(0, 2, 5), sync()];
        assert!(contents(&disk(&anew)).contains(&Some(vec![1; 10])));
        let synced = Event::Sync { name: "f".into(), folder: true };
        let anew = contents(&disk(&[&anew[..], &[synced]].concat()));
        assert!(anew.iter().all(|bytes| *bytes == Some(vec![2; 5])));
    }
}
