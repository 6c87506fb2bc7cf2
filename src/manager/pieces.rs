//! The bytes of an answer that is no text of ours, read from its connection when somebody asks for them.

use bytes::Bytes;
use futures_util::FutureExt;

use crate::client::{Failure, Opened};

/// What one asking returns about at most, in bytes: more waits until somebody asks again.
const MOST_AT_ONCE: usize = 256 * 1024;

/// The bytes of an answer.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) opened: Opened,
    /// What has been read and nobody has taken.
    read: Vec<Bytes>,
    is_at_end: bool,
}

impl Pieces {
    /// Reads up to the first byte.
    pub(super) async fn begin(mut opened: Opened) -> Result<Self, Failure> {
        let first = opened.piece().await?;
        Ok(Pieces {
            is_at_end: first.is_none(),
            read: first.into_iter().collect(),
            opened,
        })
    }

    /// Whether nothing more comes.
    pub(super) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Waits until there is a byte or the end, and takes along what is there already.
    pub(super) async fn ready(&mut self) -> Result<(), Failure> {
        if self.read.is_empty() && !self.is_at_end {
            let piece = self.opened.piece().await?;
            self.take_in(piece);
        }
        let mut taken: usize = self.read.iter().map(Bytes::len).sum();
        while taken < MOST_AT_ONCE && !self.is_at_end {
            // What fails will fail again when it is its turn.
            let Some(Ok(piece)) = self.opened.piece().now_or_never() else {
                break;
            };
            taken += piece.as_ref().map_or(0, Bytes::len);
            self.take_in(piece);
        }
        Ok(())
    }

    fn take_in(&mut self, piece: Option<Bytes>) {
        self.is_at_end = piece.is_none();
        self.read.extend(piece);
    }

    /// What has been read.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let taken = self.read.concat();
        self.read.clear();
        taken
    }
}
