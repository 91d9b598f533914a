//! All cores on one stream of lines, in order and in bounded memory: run n goes to worker n modulo their number, and results are fetched in the
//! same order. A worker holds two runs at most.

use std::{
    io::Write,
    sync::mpsc::{self, Receiver, SyncSender, TryRecvError},
    thread,
};

use super::chunks::{Chunk, Chunks};

/// What a worker does with a run of lines: appends the output to the buffer.
pub(super) type Work = Box<dyn FnMut(&Chunk, &mut Vec<u8>) + Send>;

type Done = anyhow::Result<Vec<u8>>;

/// Writes what the workers make of the lines.
///
/// # Errors
/// Reading, a worker, writing.
pub(super) fn in_order(
    workers: usize,
    chunks: Chunks,
    worker: impl Fn() -> Work,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut inputs = Vec::new();
    let mut outputs = Vec::new();
    for number in 0..workers.max(1) {
        let (input, chunks) = mpsc::sync_channel::<anyhow::Result<Chunk>>(1);
        let (done, output) = mpsc::sync_channel::<Done>(1);
        let work = worker();
        thread::Builder::new().name(format!("extract-{number}")).spawn(move || serve(chunks, work, &done))?;
        inputs.push(input);
        outputs.push(output);
    }
    // It ends with the process: after a failed write it may be waiting for input that never comes.
    thread::Builder::new().name("read".to_owned()).spawn(move || read(chunks, &inputs))?;
    for output in outputs.iter().cycle() {
        let Some(text) = fetch(output, out)? else { return Ok(()) };
        out.write_all(&text?)?;
    }
    Ok(())
}

/// The next result; what has been written is flushed before it is waited for.
fn fetch(output: &Receiver<Done>, out: &mut impl Write) -> std::io::Result<Option<Done>> {
    match output.try_recv() {
        Ok(done) => Ok(Some(done)),
        Err(TryRecvError::Disconnected) => Ok(None),
        Err(TryRecvError::Empty) => {
            out.flush()?;
            Ok(output.recv().ok())
        }
    }
}

fn read(mut chunks: Chunks, inputs: &[SyncSender<anyhow::Result<Chunk>>]) {
    for input in inputs.iter().cycle() {
        let Some(chunk) = chunks.next().transpose() else { return };
        let last = chunk.is_err();
        if input.send(chunk).is_err() || last {
            return;
        }
    }
}

fn serve(chunks: Receiver<anyhow::Result<Chunk>>, mut work: Work, done: &SyncSender<Done>) {
    for chunk in chunks {
        let result = chunk.map(|chunk| {
            let mut text = Vec::new();
            work(&chunk, &mut text);
            text
        });
        if done.send(result).is_err() {
            return;
        }
    }
}
