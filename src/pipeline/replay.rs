//! Reads what earlier owners of a partition owe, when it is assigned, on a thread of its own: the stream does not wait for it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::{
    pipeline::{handle::ShardHandle, tracker::Tracker},
    state::{
        Log, Stop,
        obligation::{self, EventName, Obligation},
    },
    telemetry::{Metrics, StateLog},
};

/// Partitions that are assigned within this time are read together.
const TOGETHER: Duration = Duration::from_millis(20);
/// Obligations that a shard is told of at once.
const CHUNK: usize = 256;

/// A partition whose obligations are wanted.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) window: u32,
    pub(super) shard: usize,
}

/// The thread that reads.
#[derive(Debug)]
pub(super) struct Replayer {
    pub(super) requests: Sender<Request>,
    stop: Stop,
    thread: JoinHandle<()>,
}

impl Replayer {
    pub(super) fn spawn(
        log: Arc<dyn Log>,
        shards: Vec<ShardHandle>,
        tracker: Arc<Tracker>,
        metrics: Metrics,
    ) -> std::io::Result<Self> {
        let (requests, incoming) = mpsc::channel();
        let stop = Stop::default();
        let ending = stop.clone();
        let thread = std::thread::Builder::new()
            .name("obligations".to_owned())
            .spawn(move || run(&*log, &incoming, &shards, &tracker, &metrics, &ending))?;
        Ok(Self { requests, stop, thread })
    }

    /// Ends it.
    pub(super) fn end(self) {
        self.stop.now();
        drop(self.requests);
        if self.thread.join().is_err() {
            tracing::error!("the reader of obligations ended by a panic");
        }
    }
}

fn run(
    log: &dyn Log,
    incoming: &Receiver<Request>,
    shards: &[ShardHandle],
    tracker: &Tracker,
    metrics: &Metrics,
    stop: &Stop,
) {
    while !stop.is_wanted() {
        let Ok(first) = incoming.recv_timeout(Duration::from_millis(100)) else { continue };
        let requests = collect(first, incoming, tracker);
        let partitions: BTreeSet<i32> =
            requests.iter().map(|request| EventName::partition_of(request.partition, log.partitions())).collect();
        let partitions: Vec<i32> = partitions.into_iter().collect();
        let mut found: HashMap<EventName, Obligation> = HashMap::new();
        let read = log.replay(&partitions, stop, &mut |record| {
            let count = |result| metrics.state_record(StateLog::Pending, result);
            let Some(name) = EventName::of_key(record.key) else { return count("corrupt") };
            if !requests.iter().any(|request| request.partition == name.partition && *request.topic == *name.topic) {
                return;
            }
            let Some(value) = record.value else {
                found.remove(&name);
                return count("tombstone");
            };
            match obligation::decode(record.key, value) {
                Ok(obligation) => {
                    found.insert(name, obligation);
                    count("read");
                }
                Err(why) => count(why.as_str()),
            }
        });
        match read {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return tracker.fail(&error.to_string()),
        }
        let (count, owned) = (found.len(), requests.len());
        for request in requests {
            deliver(&request, &mut found, shards);
            tracker.replayed();
        }
        if count > 0 {
            tracing::info!(obligations = count, partitions = owned, "took over what is owed");
        }
    }
}

/// Everything that is wanted by now. A partition that went and came again meanwhile is wanted twice: what is owed in it belongs to the later assignment.
fn collect(first: Request, incoming: &Receiver<Request>, tracker: &Tracker) -> Vec<Request> {
    let mut requests = vec![first];
    while let Ok(more) = incoming.recv_timeout(TOGETHER) {
        let before = requests.len();
        requests.retain(|earlier| earlier.partition != more.partition || earlier.topic != more.topic);
        (requests.len()..before).for_each(|_| tracker.replayed());
        requests.push(more);
    }
    requests
}

fn deliver(request: &Request, found: &mut HashMap<EventName, Obligation>, shards: &[ShardHandle]) {
    let Some(shard) = shards.get(request.shard) else { return };
    let of_partition = |name: &EventName| name.partition == request.partition && *name.topic == *request.topic;
    let mut owed: Vec<(EventName, Obligation)> = found.extract_if(|name, _| of_partition(name)).collect();
    owed.sort_unstable_by_key(|(name, _)| name.offset);
    let mut owed = owed.into_iter().peekable();
    loop {
        let chunk = owed.by_ref().take(CHUNK).collect();
        let last = owed.peek().is_none();
        shard.replayed(request.window, chunk, last);
        if last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_owed_goes_to_the_latest_assignment_of_its_partition() {
        let (tracker, (wanted, incoming)) = (Tracker::default(), mpsc::channel());
        let request = |partition, window| Request { topic: "in".into(), partition, window, shard: 0 };
        for (partition, window) in [(0, 1), (1, 2), (0, 3)] {
            tracker.replay_wanted();
            wanted.send(request(partition, window)).unwrap();
        }
        let requests = collect(incoming.recv().unwrap(), &incoming, &tracker);
        let windows: Vec<u32> = requests.iter().map(|request| request.window).collect();
        assert_eq!((windows, tracker.replaying()), (vec![2, 3], 2));
    }
}
