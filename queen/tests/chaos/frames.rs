//! Where frames begin and end in a stream of bytes, to know where one can be torn.

/// Follows one direction of a connection: a preface of eight bytes, then frames.
pub struct Frames {
    /// Bytes that are to come of the preface, or of the body of a frame.
    body: usize,
    length: [u8; 4],
    /// How many bytes of the length have come.
    seen: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self { body: 8, length: [0; 4], seen: 0 }
    }
}

impl Frames {
    /// Goes on by a chunk; a place in it that is within a frame, if it has one.
    pub fn walk(&mut self, chunk: &[u8]) -> Option<usize> {
        let mut inside = None;
        let mut at = 0;
        while at < chunk.len() {
            if self.body > 0 {
                let part = self.body.min(chunk.len() - at);
                inside.get_or_insert(at + part / 2);
                self.body -= part;
                at += part;
                continue;
            }
            self.length[self.seen] = chunk[at];
            self.seen += 1;
            at += 1;
            if self.seen == self.length.len() {
                self.body = u32::from_le_bytes(self.length) as usize;
                self.seen = 0;
            }
        }
        inside
    }
}

#[test]
fn frames_are_followed_however_they_arrive() {
    let stream = [&[0; 8][..], &[3, 0, 0, 0, 7, 8, 9], &[1, 0, 0, 0, 5]].concat();
    // In one piece the preface is torn; each later byte of a body can be where it begins.
    assert_eq!(Frames::default().walk(&stream), Some(4));
    let mut frames = Frames::default();
    let places: Vec<_> = stream.chunks(1).map(|byte| frames.walk(byte).is_some()).collect();
    let bodies: Vec<_> = (0..stream.len()).map(|at| matches!(at, 0..8 | 12..15 | 19)).collect();
    assert_eq!(places, bodies);
}
