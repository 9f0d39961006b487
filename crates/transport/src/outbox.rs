//! What waits to be written to one connection: shared frames and a cursor into the first. Pure.
//! Promises: bytes are given out in order and each once, however short the writes are.

use protocol::{engineio, frame::Frame};
use std::{collections::VecDeque, io::IoSlice};

/// Slices of one `writev`; more would only lengthen the stack frame.
pub(crate) const SLICES_MAX: usize = 64;
/// An outbox that grew beyond this is not kept for the next connection.
const KEPT_CAPACITY_MAX: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    frames: VecDeque<Frame>,
    /// Bytes of the first frame that are written.
    offset: usize,
    /// Bytes of all frames less `offset`.
    bytes: usize,
}

impl Outbox {
    pub(crate) fn push(&mut self, frame: Frame) {
        self.bytes += frame.wire().len();
        self.frames.push_back(frame);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn frames(&self) -> usize {
        self.frames.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Fills `slices` with what is to be written next and gives their number.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES_MAX]) -> usize {
        let mut skip = self.offset;
        let mut count = 0;
        for (slice, frame) in slices.iter_mut().zip(&self.frames) {
            *slice = IoSlice::new(&frame.wire()[skip..]);
            skip = 0;
            count += 1;
        }
        count
    }

    /// The kernel took `count` bytes.
    pub(crate) fn written(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(frame) = self.frames.front() {
            let left = frame.wire().len() - self.offset;
            if count < left {
                self.offset += count;
                return;
            }
            count -= left;
            self.offset = 0;
            self.frames.pop_front();
        }
    }

    /// All of it as one long-polling payload, and empties it. Control frames have no place there.
    pub(crate) fn take_payload(&mut self) -> String {
        let mut payload = String::with_capacity(self.bytes + self.frames.len());
        for frame in self.frames.drain(..).flat_map(|frame| frame.parts()) {
            if frame.is_control() {
                continue;
            }
            if !payload.is_empty() {
                payload.push(engineio::SEPARATOR);
            }
            if frame.is_binary() {
                engineio::encode_binary(frame.payload(), &mut payload);
            } else {
                payload.push_str(frame.text());
            }
        }
        self.offset = 0;
        self.bytes = 0;
        payload
    }

    /// Forgets what waits; gives `true` when the memory is small enough to be kept for another.
    pub(crate) fn clear(&mut self) -> bool {
        self.frames.clear();
        self.offset = 0;
        self.bytes = 0;
        self.frames.capacity() <= KEPT_CAPACITY_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(outbox: &mut Outbox, steps: &[usize]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut steps = steps.iter().cycle();
        while !outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = outbox.slices(&mut slices);
            let flat: Vec<u8> = slices[..count]
                .iter()
                .flat_map(|s| s.iter().copied())
                .collect();
            let step = (*steps.next().unwrap()).min(flat.len());
            out.extend_from_slice(&flat[..step]);
            outbox.written(step);
        }
        out
    }

    #[test]
    fn a_payload_joins_text_and_binary_and_leaves_control_frames_out() {
        let mut outbox = Outbox::default();
        outbox.push(Frame::message("a"));
        outbox.push(Frame::control(vec![0x8a, 0]));
        let others = [Frame::binary(&[1, 2, 3, 4]), Frame::message("b")];
        outbox.push(Frame::joined(others.iter()));
        assert_eq!(outbox.take_payload(), "4a\x1ebAQIDBA==\x1e4b");
        assert_eq!((outbox.bytes(), outbox.frames()), (0, 0));
    }

    proptest! {
        #[test]
        fn short_writes_lose_nothing(
            sizes in prop::collection::vec(0usize..400, 1..150),
            steps in prop::collection::vec(1usize..900, 1..8),
        ) {
            let mut outbox = Outbox::default();
            let mut expected = Vec::new();
            for (index, size) in sizes.iter().enumerate() {
                let frame = Frame::binary(&vec![index as u8; *size]);
                expected.extend_from_slice(frame.wire());
                outbox.push(frame);
            }
            prop_assert_eq!(outbox.bytes(), expected.len());
            prop_assert_eq!(drain(&mut outbox, &steps), expected);
            prop_assert_eq!(outbox.bytes(), 0);
        }
    }
}
