//! No stream panics; memory held is bounded by what came; cutting a stream elsewhere changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::websocket::{Bounds, Message, Reader};

const BOUNDS: Bounds = Bounds {
    message_bytes: 4096,
    fragments: 16,
};

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (cut, stream) = input;
    let whole = read(&stream, stream.len().max(1));
    let pieces = read(&stream, cut as usize + 1);
    assert_eq!(whole.is_ok(), pieces.is_ok());
    if whole.is_ok() {
        assert_eq!(whole, pieces);
    }
});

fn read(stream: &[u8], size: usize) -> Result<Vec<String>, u16> {
    let mut reader = Reader::default();
    let mut told = Vec::new();
    for piece in stream.chunks(size) {
        let mut piece = piece.to_vec();
        let mut input = piece.as_mut_slice();
        while let Some(message) = reader
            .next(&mut input, &BOUNDS)
            .map_err(|v| v.close_code())?
        {
            if let Message::Text(text) = &message {
                assert!(text.len() <= BOUNDS.message_bytes);
            }
            told.push(format!("{message:?}"));
        }
        assert!(reader.held_bytes() <= 512 + 2 * stream.len().max(256));
    }
    Ok(told)
}
