//! Input segments of large tasks, and long keys and salts, that are about to be used, or were lately, within a
//! limit.

use wire::blob::SharedBlob;
use wire::ids::TaskId;

use crate::lru::LruMap;
use crate::work::SecretHash;

/// What is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum CacheKey {
    /// A segment of a bulk file: the file's number and the segment's.
    Segment(u64, usize),
    /// A key or salt, as one string.
    Secret(SecretHash),
    /// What a search looks for, prepared.
    Prepared(TaskId),
}

/// Bytes beyond which nothing is kept for later: to copy it from the system's cache then is cheaper than
/// ever more memory.
const AHEAD: u64 = 128 << 20;

/// Strings by what they are, of which those that were used longest ago go first.
pub(super) struct Cache {
    limit: u64,
    used: u64,
    blobs: LruMap<CacheKey, SharedBlob>,
}

impl Cache {
    /// An empty cache, for at most `limit` bytes.
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, used: 0, blobs: LruMap::default() }
    }

    /// Bytes held.
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// Whether so many bytes may be kept for later.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.used + bytes <= self.limit.min(AHEAD)
    }

    pub(super) fn get(&mut self, key: CacheKey) -> Option<SharedBlob> {
        self.blobs.get(key).cloned()
    }

    /// Keeps a blob; returns what had to go for it, to be dropped where that may take time.
    pub(super) fn insert(&mut self, key: CacheKey, blob: SharedBlob) -> Vec<SharedBlob> {
        self.used += size(&blob);
        let mut gone: Vec<_> = self.blobs.insert(key, blob).into_iter().collect();
        self.used -= gone.iter().map(size).sum::<u64>();
        while self.used > self.limit
            && let Some((_, oldest)) = self.blobs.pop_oldest()
        {
            self.used -= size(&oldest);
            gone.push(oldest);
        }
        gone
    }

    /// Forgets a blob that is no longer needed.
    pub(super) fn remove(&mut self, key: CacheKey) -> Option<SharedBlob> {
        let blob = self.blobs.remove(key)?;
        self.used -= size(&blob);
        Some(blob)
    }

    /// Forgets the segments of a file that is no longer needed.
    pub(super) fn forget(&mut self, file: u64, segments: usize) -> Vec<SharedBlob> {
        (0..segments).filter_map(|segment| self.remove(CacheKey::Segment(file, segment))).collect()
    }
}

fn size(blob: &SharedBlob) -> u64 {
    blob.as_blob().layout_len() as u64
}

#[cfg(test)]
mod tests {
    use wire::blob::BlobBuf;

    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let segment = || [[b'x'; 92]].iter().collect::<BlobBuf>().freeze();
        let key = CacheKey::Segment;
        let mut cache = Cache::new(300);
        assert!(cache.insert(key(1, 0), segment()).is_empty() && cache.insert(key(1, 1), segment()).is_empty());
        assert!(cache.has_room(100) && !cache.has_room(101));
        assert!(cache.insert(key(2, 0), segment()).is_empty());
        assert!(cache.get(key(1, 0)).is_some());
        assert_eq!(cache.insert(key(2, 1), segment()).len(), 1);
        assert!(cache.get(key(1, 1)).is_none() && cache.get(key(1, 0)).is_some());
        assert_eq!(cache.insert(key(2, 1), segment()).len(), 1, "its predecessor");
        assert!(cache.remove(key(2, 0)).is_some() && cache.remove(key(2, 0)).is_none());
        assert_eq!(cache.forget(2, 2).len(), 1);
        assert_eq!(cache.used(), 100);
        assert_eq!(cache.blobs.len(), 1);
    }
}
