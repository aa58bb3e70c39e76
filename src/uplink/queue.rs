//! An uplink over MQTT to a broker whose readers are told and answer nothing.
//!
//! Everything goes with quality of service 1. What the broker acknowledges, it has; of the readers
//! behind it nothing is known.

use std::{
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rumqttc::{AsyncClient, Publish, QoS};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::sleep,
};
use tracing::debug;

use super::{
    counters::one,
    flight::Flight,
    life::{End, Life, Talk, TellNow, Ties},
    mqtt::{Connection, LinkError, Step, farewell},
    settings::{Broker, Login},
};
use crate::{
    domain::{
        event::{UplinkAnswer, UplinkEvent},
        id::{Sequence, UplinkName},
        reply::ToUplink,
    },
    protocol::{
        charger::apdu::SENT_LIMIT,
        dialect::{Dialect, Heard, Publication},
    },
};

/// Requests that were refused on the spot and wait for their answer to be written. A gateway asks
/// for one thing at a time; who asks faster than the broker takes answers gets none.
const ANSWERS: usize = 64;

/// Between two messages from below: fifty a second are more than people ask for. A gateway that
/// floods is slowed down by its own line and keeps neither the thread nor the site's inbox, which
/// all share.
const MESSAGE_EVERY: Duration = Duration::from_millis(20);

/// Makes what one connection speaks.
pub type MakeDialect = Arc<dyn Fn() -> Box<dyn Dialect> + Send + Sync>;

/// Settings of one uplink to a queue.
#[derive(Clone)]
pub struct QueueSettings {
    /// Its name.
    pub name: UplinkName,
    /// Where its broker is.
    pub broker: Broker,
    /// What the site calls itself there.
    pub client_id: String,
    /// What to log in with; `None`: the broker wants nothing.
    pub login: Option<Login>,
    /// Between attempts after a refused login.
    pub login_retry: Duration,
    /// What is spoken.
    pub dialect: MakeDialect,
    /// Tells the moment.
    pub now: TellNow,
}

impl fmt::Debug for QueueSettings {
    /// Leaves the secrets out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueSettings")
            .field("name", &self.name)
            .field("broker", &self.broker)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// One uplink to a queue; [`QueueLink::run`] is its task.
pub struct QueueLink {
    life: Life,
    queue: Queue,
}

struct Queue(QueueSettings);

/// A connection that is logged in and subscribed.
struct Line {
    connection: Connection,
    /// What came before the SUBACK.
    early: Vec<Publish>,
    talk: Arc<Conversation>,
}

/// What both directions of one connection share.
struct Conversation {
    dialect: Mutex<Box<dyn Dialect>>,
    flight: Mutex<Flight>,
}

impl QueueLink {
    /// An uplink tied to the program.
    #[must_use]
    pub fn new(settings: QueueSettings, ties: Ties) -> Self {
        let life = Life::new(&settings.name, settings.login_retry, &settings.now, ties);
        Self { life, queue: Queue(settings) }
    }

    /// Runs until it is stopped or the site has ended.
    pub async fn run(self) {
        self.life.lead(self.queue).await;
    }
}

impl Talk for Queue {
    type Line = Line;

    async fn open(&mut self, _: &Life) -> Result<Line, End> {
        let settings = &self.0;
        let dialect = (settings.dialect)();
        let filters = dialect.filters().into_iter().map(|filter| (filter, 1)).collect();
        let login = settings.login.as_ref();
        let opened = Connection::open(&settings.broker, &settings.client_id, login, filters).await;
        let (connection, early) = opened?;
        let talk = Conversation { dialect: Mutex::new(dialect), flight: Mutex::default() };
        Ok(Line { connection, early, talk: Arc::new(talk) })
    }

    /// Both ways at once: reading must not wait for writing, nor the other way round.
    async fn carry(&mut self, life: &Life, line: Line) -> End {
        let Line { mut connection, early, talk } = line;
        let (answers, refused) = flume::bounded(ANSWERS);
        let (client, places) = (connection.client.clone(), connection.places.clone());
        let upwards = talk.publish(&client, &places, &refused, life);
        let downwards = async {
            let mut early = early.into_iter();
            loop {
                let step = match early.next() {
                    Some(message) => Step::Message(message),
                    None => connection.step().await?,
                };
                talk.take(step, &answers, life).await?;
            }
        };
        let end = tokio::select! {
            Err::<Infallible, _>(end) = upwards => end,
            Err::<Infallible, _>(end) = downwards => end,
            () = life.stopped() => End::Stopped,
        };
        if matches!(end, End::Stopped) {
            farewell(&mut connection).await;
        }
        end
    }
}

/// A place for one more unfinished publish.
async fn free(places: &Semaphore) -> SemaphorePermit<'_> {
    places.acquire().await.expect("the semaphore is never closed")
}

/// Whether the library takes it: it would end the connection over one that is too large.
fn is_carried(publication: &Publication, life: &Life) -> bool {
    let bytes = publication.payload.len();
    if bytes > SENT_LIMIT {
        life.unsendable(&format_args!("{bytes} bytes are too many"));
    }
    bytes <= SENT_LIMIT
}

impl Conversation {
    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dialect(&self) -> MutexGuard<'_, Box<dyn Dialect>> {
        self.dialect.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes what the site says, and answers to what was refused on the spot.
    async fn publish(
        &self,
        client: &AsyncClient,
        places: &Semaphore,
        refused: &flume::Receiver<Publication>,
        life: &Life,
    ) -> Result<Infallible, End> {
        loop {
            // First a place, then a message: what is urgent overtakes until the last moment.
            let mut place = Some(free(places).await);
            let due = tokio::select! {
                biased;
                Ok(answer) = refused.recv_async() => vec![answer],
                message = life.outbox.next() => self.encode(&message, life),
            };
            for publication in due.into_iter().filter(|it| is_carried(it, life)) {
                let place = match place.take() {
                    Some(place) => place,
                    None => free(places).await,
                };
                self.flight().hand(publication.confirms);
                let Publication { topic, payload, retain, .. } = publication;
                let published =
                    client.publish_bytes(topic, QoS::AtLeastOnce, retain, payload).await;
                published.map_err(|_| LinkError::Closed)?;
                place.forget();
                one(&life.counters.sent);
            }
        }
    }

    /// What to publish for a message; nothing if it cannot be said there.
    fn encode(&self, message: &ToUplink, life: &Life) -> Vec<Publication> {
        let encoded = self.dialect().encode(message, (life.now)());
        encoded.unwrap_or_else(|unfit| {
            life.unsendable(&unfit);
            Vec::new()
        })
    }

    /// Deals with what happened on the connection.
    async fn take(
        &self,
        step: Step,
        answers: &flume::Sender<Publication>,
        life: &Life,
    ) -> Result<(), End> {
        match step {
            Step::Message(message) => {
                self.receive(&message, answers, life).await?;
                sleep(MESSAGE_EVERY).await;
                Ok(())
            }
            Step::Written(id) => {
                self.flight().write(id);
                Ok(())
            }
            Step::Acknowledged(id) => {
                let confirmed = self.flight().acknowledge(id);
                match confirmed {
                    Some(sequence) => life.tell(delivered(sequence, life)).await,
                    None => Ok(()),
                }
            }
            Step::Other => Ok(()),
        }
    }

    async fn receive(
        &self,
        message: &Publish,
        answers: &flume::Sender<Publication>,
        life: &Life,
    ) -> Result<(), End> {
        one(&life.counters.received);
        if message.retain {
            // It is of another time; carried out, it would be so anew at every connection.
            debug!(uplink = %life.name, topic = message.topic, "retained message not looked at");
            one(&life.counters.undecodable);
            return Ok(());
        }
        let now = (life.now)();
        let heard = self.dialect().decode(&message.topic, &message.payload, now);
        match heard {
            Ok(Heard::Event(event)) => life.tell(*event).await,
            Ok(Heard::Answer(answer)) => {
                if answers.try_send(answer).is_err() {
                    one(&life.counters.shed);
                }
                Ok(())
            }
            Err(error) => {
                one(&life.counters.undecodable);
                debug!(uplink = %life.name, %error, "message cannot be read");
                Ok(())
            }
        }
    }
}

/// The broker has an order.
fn delivered(sequence: Sequence, life: &Life) -> UplinkEvent {
    let at_s = life.now_s().unwrap_or(0);
    UplinkEvent::Answered { sequence, answer: UplinkAnswer::Delivered, at_s }
}
