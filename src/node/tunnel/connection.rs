//! One connection of a client through the tunnel, from its greeting to its end. Nothing here waits: a step does
//! what can be done now, and says what it waits for.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use ssh2::{BlockDirections, Channel, ErrorCode};
use zeroize::Zeroizing;

use super::obstacle::Trouble;
use super::reason::{Inquired, Question};
use super::route::{self, Answer, Route, Way};
use super::shared::Shared;
use super::socks::{Negotiation, Next, Reply};

/// How much is held in each direction, while the other side takes nothing.
const ROOM: usize = 32 * 1024;
/// How long a client may take to say who it is and where it wants to go.
const GREETING: Duration = Duration::from_secs(10);
/// How long the node may take to say why it could not connect.
const INQUIRY: Duration = Duration::from_secs(10);

// Errors of libssh2.h.
pub(super) const AGAIN: ErrorCode = ErrorCode::Session(-37);
pub(super) const CHANNEL_FAILURE: ErrorCode = ErrorCode::Session(-21);

/// The SSH connection is gone, for this reason.
pub(super) struct Lost(pub(super) String);

/// The SSH session, as far as a step uses it.
pub(super) struct Wire<'a> {
    pub(super) ssh: &'a ssh2::Session,
    /// Who is opening a channel, and since when: libssh2 opens one at a time, and cannot be talked out of it.
    pub(super) opening: Option<(u64, Instant)>,
    pub(super) shared: &'a Shared,
}

/// A client's connection.
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) local: TcpStream,
    client: Client,
    stage: Stage,
    /// From the client, and not sent yet. The login for a proxy goes this way, too.
    up: Zeroizing<Vec<u8>>,
    /// For the client, and not sent yet.
    down: Vec<u8>,
}

/// What is known of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    Talks,
    /// It has said all, and listens.
    Listens,
    Gone,
}

enum Stage {
    Greeting(Negotiation, Instant),
    /// It is its turn when no other channel is being opened.
    Waiting(Way),
    Opening(Way),
    /// The proxy is asked for a way.
    Proxy(Way, Channel, Vec<u8>),
    /// The node is asked why it could not connect, until then.
    Inquiry(Way, Question, Instant),
    Flowing(Flow),
    /// What is left is to end the channel.
    Closing(Channel, Sending),
    /// What is left is to tell the client.
    Parting,
    Over,
}

struct Flow {
    channel: Channel,
    sending: Sending,
    /// Whether the other side was told that the client has said all.
    up: End,
    /// Whether the client was told that the other side has said all.
    down: End,
}

/// Whether a part of a packet may be on its way: nobody else can send until the rest has followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sending {
    Whole,
    InPart,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Heard,
    PassedOn,
}

/// Whether a step came any further.
pub(super) type Moved = bool;

impl Connection {
    /// A client that has said nothing yet.
    pub(super) fn new(id: u64, local: TcpStream, now: Instant) -> Self {
        let stage = Stage::Greeting(Negotiation::default(), now + GREETING);
        Self { id, local, client: Client::Talks, stage, up: Zeroizing::default(), down: Vec::new() }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Whether it is still about to say who it is.
    pub(super) fn greets(&self) -> bool {
        matches!(self.stage, Stage::Greeting(..))
    }

    /// Whether another SSH session could serve it as well.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting(_))
    }

    pub(super) fn wants_to_hear_client(&self) -> bool {
        let listens = matches!(self.stage, Stage::Greeting(..) | Stage::Flowing(_));
        listens && self.client == Client::Talks && self.up.len() < ROOM
    }

    pub(super) fn wants_to_tell_client(&self) -> bool {
        self.client != Client::Gone && !self.down.is_empty()
    }

    /// Whether news of the SSH session may bring it further.
    pub(super) fn wants_to_hear_node(&self) -> bool {
        match &self.stage {
            Stage::Greeting(..) | Stage::Waiting(_) | Stage::Parting | Stage::Over => false,
            Stage::Inquiry(_, question, _) => question.is_asked(),
            Stage::Opening(_) | Stage::Proxy(..) | Stage::Closing(..) => true,
            Stage::Flowing(flow) => {
                let hears = flow.down == End::Open && self.down.len() < ROOM;
                hears || !self.up.is_empty() || (self.client == Client::Listens && flow.up != End::PassedOn)
            }
        }
    }

    /// When it must be looked at even if nothing happens.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Greeting(_, until) => Some(*until),
            Stage::Inquiry(_, question, until) => question.can_end().then_some(*until),
            _ => None,
        }
    }

    /// Whether there is anybody left to serve.
    pub(super) fn client_is_gone(&self) -> bool {
        self.client == Client::Gone
    }

    /// Notes that the system says so.
    pub(super) fn client_went(&mut self) {
        self.client = Client::Gone;
        self.down.clear();
    }

    /// Does what can be done now.
    pub(super) fn step(&mut self, wire: &mut Wire, now: Instant) -> Result<Moved, Lost> {
        let mut moved = self.hear_client();
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let (stage, further) = match stage {
            Stage::Greeting(negotiation, until) => self.greet(negotiation, until, wire, now),
            Stage::Waiting(_) if self.client == Client::Gone => (Stage::Over, true),
            Stage::Waiting(way) if wire.opening.is_some() => (Stage::Waiting(way), false),
            Stage::Waiting(way) => {
                wire.opening = Some((self.id, now));
                wire.shared.obstacles.note(&way, Trouble::NoConnection);
                (Stage::Opening(way), true)
            }
            Stage::Opening(way) => self.open(way, wire, now)?,
            Stage::Proxy(way, channel, answer) => self.proxy(way, channel, answer, wire)?,
            Stage::Inquiry(way, question, until) => self.inquire(way, question, until, wire, now)?,
            Stage::Flowing(flow) => self.flow(flow, wire)?,
            Stage::Closing(channel, sending) => self.close(channel, sending, wire)?,
            Stage::Parting if self.down.is_empty() => (Stage::Over, true),
            stage @ (Stage::Parting | Stage::Over) => (stage, false),
        };
        self.stage = stage;
        moved |= further;
        moved |= self.tell_client();
        Ok(moved)
    }

    fn hear_client(&mut self) -> Moved {
        let mut moved = false;
        let mut bytes = [0; 8 * 1024];
        while self.wants_to_hear_client() {
            match self.local.read(&mut bytes) {
                Ok(0) => self.client = Client::Listens,
                Ok(length) => self.up.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.client_went(),
            }
            moved = true;
        }
        moved
    }

    fn tell_client(&mut self) -> Moved {
        let mut moved = false;
        while self.wants_to_tell_client() {
            match self.local.write(&self.down) {
                Ok(length) => drop(self.down.drain(..length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.client_went(),
            }
            moved = true;
        }
        moved
    }

    fn say(&mut self, bytes: &[u8]) {
        if self.client != Client::Gone {
            self.down.extend_from_slice(bytes);
        }
    }

    fn refuse(&mut self, reply: Reply) -> (Stage, Moved) {
        self.say(&reply.bytes());
        (Stage::Parting, true)
    }

    fn greet(&mut self, mut negotiation: Negotiation, until: Instant, wire: &Wire, now: Instant) -> (Stage, Moved) {
        match negotiation.next(&mut self.up, |user, password| wire.shared.account(user, password)) {
            Next::Read if self.client != Client::Talks || now >= until => (Stage::Over, true),
            Next::Read => (Stage::Greeting(negotiation, until), false),
            Next::Say(bytes) => {
                self.say(bytes);
                (Stage::Greeting(negotiation, until), true)
            }
            Next::Refuse(bytes) => {
                self.say(&bytes);
                (Stage::Parting, true)
            }
            Next::Connect(account, target) => {
                let way = wire.shared.way(account, target);
                if let Route::Impossible(_) = way.route {
                    wire.shared.obstacles.note(&way, Trouble::Unsupported);
                    return self.refuse(Reply::NotAllowed);
                }
                (Stage::Waiting(way), true)
            }
        }
    }

    fn open(&mut self, way: Way, wire: &mut Wire, now: Instant) -> Result<(Stage, Moved), Lost> {
        let first = way.first();
        let opened = wire.ssh.channel_direct_tcpip(&first.host, first.port, None);
        let error = match opened {
            Err(error) if error.code() == AGAIN => return Ok((Stage::Opening(way), false)),
            Err(error) => error,
            Ok(channel) => {
                wire.opening = None;
                wire.shared.allowed();
                return Ok((self.begin(way, channel, wire), true));
            }
        };
        wire.opening = None;
        if error.code() != CHANNEL_FAILURE {
            return Err(Lost(error.message().to_owned()));
        }
        if error.message().contains("prohibited") {
            wire.shared.forbidden(&way);
            return Ok(self.refuse(Reply::NotAllowed));
        }
        let failed = error.message().contains("connect failed");
        if failed {
            wire.shared.allowed();
        }
        Ok(match way.route {
            _ if failed && self.client != Client::Gone => (Stage::Inquiry(way, Question::Waiting, now + INQUIRY), true),
            Route::Direct => self.refuse(Reply::Failed),
            Route::Proxy(..) | Route::Impossible(_) => self.refuse(Reply::NotAllowed),
        })
    }

    fn begin(&mut self, way: Way, channel: Channel, wire: &Wire) -> Stage {
        match &way.route {
            Route::Proxy(_, login) => {
                self.up = route::question(&way.target, login.as_ref());
                wire.shared.obstacles.note(&way, Trouble::Silent);
                Stage::Proxy(way, channel, Vec::new())
            }
            Route::Direct | Route::Impossible(_) => {
                wire.shared.obstacles.forget(&way);
                self.grant(channel, Sending::Whole)
            }
        }
    }

    fn grant(&mut self, channel: Channel, sending: Sending) -> Stage {
        self.say(&Reply::Granted.bytes());
        Stage::Flowing(Flow { channel, sending, up: End::Open, down: End::Open })
    }

    fn proxy(
        &mut self,
        way: Way,
        mut channel: Channel,
        mut said: Vec<u8>,
        wire: &Wire,
    ) -> Result<(Stage, Moved), Lost> {
        let mut sending = Sending::Whole;
        let mut moved = self.send(&mut channel, &mut sending, wire)?;
        let heard = receive(&mut channel, &mut said)?;
        moved |= heard == Heard::Bytes;
        Ok(match route::answer(&said) {
            _ if self.client == Client::Gone => (Stage::Closing(channel, sending), true),
            Answer::Open(length) => {
                wire.shared.obstacles.forget(&way);
                let stage = self.grant(channel, sending);
                self.say(&said[length..]);
                (stage, true)
            }
            Answer::Unfinished if heard != Heard::End => (Stage::Proxy(way, channel, said), moved),
            Answer::Unfinished => self.no_way((channel, sending), &way, None, wire),
            Answer::Refused(status) => self.no_way((channel, sending), &way, status, wire),
        })
    }

    /// Ends the channel to a proxy that gave this status instead of a way.
    fn no_way(&mut self, end: (Channel, Sending), way: &Way, status: Option<u16>, wire: &Wire) -> (Stage, Moved) {
        wire.shared.obstacles.note(way, Trouble::said(status, way));
        self.say(&Reply::NotAllowed.bytes());
        (Stage::Closing(end.0, end.1), true)
    }

    fn inquire(
        &mut self,
        way: Way,
        question: Question,
        until: Instant,
        wire: &mut Wire,
        now: Instant,
    ) -> Result<(Stage, Moved), Lost> {
        // Nobody is left to be told.
        let end = if self.client == Client::Gone { now } else { until };
        Ok(match question.step(way.first(), (now, end), self.id, wire)? {
            Inquired::NotYet(question, moved) => (Stage::Inquiry(way, question, until), moved),
            Inquired::Known(channel, reply) => {
                let reply = match way.route {
                    Route::Direct => reply,
                    Route::Proxy(..) | Route::Impossible(_) => {
                        wire.shared.obstacles.note(&way, Trouble::of(reply));
                        Reply::NotAllowed
                    }
                };
                self.say(&reply.bytes());
                (channel.map_or(Stage::Parting, |channel| Stage::Closing(channel, Sending::Whole)), true)
            }
        })
    }

    fn flow(&mut self, mut flow: Flow, wire: &Wire) -> Result<(Stage, Moved), Lost> {
        let mut moved = self.send(&mut flow.channel, &mut flow.sending, wire)?;
        if self.client == Client::Listens && self.up.is_empty() && flow.up != End::PassedOn {
            match flow.channel.send_eof() {
                Ok(()) => {
                    flow.up = End::PassedOn;
                    moved = true;
                }
                Err(error) if error.code() == AGAIN => {}
                Err(error) => return Err(Lost(error.message().to_owned())),
            }
        }
        while flow.down == End::Open && self.down.len() < ROOM {
            match receive(&mut flow.channel, &mut self.down)? {
                Heard::Nothing => break,
                Heard::Bytes => moved = true,
                Heard::End => {
                    flow.down = End::Heard;
                    moved = true;
                }
            }
        }
        if flow.down == End::Heard && self.down.is_empty() {
            // One that is gone is noticed otherwise.
            let _ = self.local.shutdown(Shutdown::Write);
            flow.down = End::PassedOn;
            moved = true;
        }
        if self.client == Client::Gone || (flow.up == End::PassedOn && flow.down == End::PassedOn) {
            self.down.clear();
            return Ok((Stage::Closing(flow.channel, flow.sending), true));
        }
        Ok((Stage::Flowing(flow), moved))
    }

    /// Sends what the client has said.
    fn send(&mut self, channel: &mut Channel, sending: &mut Sending, wire: &Wire) -> Result<Moved, Lost> {
        let mut moved = false;
        while !self.up.is_empty() {
            match channel.write(&self.up) {
                Ok(0) => break,
                Ok(length) => {
                    self.up.drain(..length);
                    *sending = Sending::Whole;
                    moved = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let stuck =
                        matches!(wire.ssh.block_directions(), BlockDirections::Outbound | BlockDirections::Both);
                    *sending = if stuck { Sending::InPart } else { Sending::Whole };
                    break;
                }
                Err(error) => return Err(lost(&error)),
            }
        }
        Ok(moved)
    }

    fn close(&mut self, mut channel: Channel, mut sending: Sending, wire: &Wire) -> Result<(Stage, Moved), Lost> {
        if sending == Sending::InPart {
            self.send(&mut channel, &mut sending, wire)?;
            if sending == Sending::InPart {
                return Ok((Stage::Closing(channel, sending), false));
            }
        }
        match channel.close() {
            Ok(()) => Ok((Stage::Parting, true)),
            Err(error) if error.code() == AGAIN => Ok((Stage::Closing(channel, sending), false)),
            Err(error) => Err(Lost(error.message().to_owned())),
        }
    }
}

/// What came through a channel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    Nothing,
    Bytes,
    End,
}

pub(super) fn receive(channel: &mut Channel, into: &mut Vec<u8>) -> Result<Heard, Lost> {
    let mut bytes = [0; 8 * 1024];
    match channel.read(&mut bytes) {
        Ok(0) if channel.eof() => Ok(Heard::End),
        Ok(0) => Ok(Heard::Nothing),
        Ok(length) => {
            into.extend_from_slice(&bytes[..length]);
            Ok(Heard::Bytes)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Heard::Nothing),
        Err(error) => Err(lost(&error)),
    }
}

fn lost(error: &io::Error) -> Lost {
    Lost(error.to_string())
}
