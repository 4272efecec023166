//! One client of a tunnel, from its SOCKS5 negotiation to the end of its channel. No function here blocks: a step does
//! the work that is possible now, and other methods return what the client waits for.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use ssh2::{BlockDirections, Channel};
use zeroize::Zeroizing;

use super::channel::{AGAIN, CHANNEL_FAILURE, Progressed, ReadResult, SessionLost, SshSession, lost, receive};
use super::failure_reason::{Inquiry, InquiryStep};
use super::obstacle::ObstacleReason;
use super::route::{self, ConnectResponse, ForwardRequest, NodeRoute};
use super::socks::{Negotiation, Next, Reply};

/// How many bytes are buffered in each direction while the other side accepts none.
const BUFFER_LIMIT: usize = 32 * 1024;
/// The time limit for the SOCKS5 negotiation.
const NEGOTIATION_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit for finding out why the node could not connect.
const INQUIRY_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to the listener of the tunnel.
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) socket: TcpStream,
    side: ClientSide,
    state: ClientState,
    /// Received from the client and not sent to the node yet. The login for a proxy is sent this way, too.
    to_node: Zeroizing<Vec<u8>>,
    /// Received from the node and not sent to the client yet.
    to_client: Vec<u8>,
}

/// The state of the client's end of the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientSide {
    Sending,
    /// It sends nothing more, but still receives.
    Finished,
    Gone,
}

enum ClientState {
    Negotiating(Negotiation, Instant),
    /// It opens a channel as soon as no other channel is being opened.
    Waiting(ForwardRequest),
    Opening(ForwardRequest),
    /// A proxy was sent a CONNECT request; with its response so far.
    ProxyConnect(ForwardRequest, Channel, Vec<u8>),
    /// A command on the node finds out why the node could not connect; until then.
    Inquiring(ForwardRequest, Inquiry, Instant),
    Forwarding(Forwarding),
    /// Only the channel must still be closed.
    Closing(Channel, PacketState),
    /// Only the last bytes must still be sent to the client.
    Replying,
    Done,
}

struct Forwarding {
    channel: Channel,
    packet: PacketState,
    /// The end of the bytes from the client.
    client_eof: EofState,
    /// The end of the bytes from the node.
    node_eof: EofState,
}

/// Whether a packet was sent only in part: no other channel can send until the rest has followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PacketState {
    Complete,
    Partial,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum EofState {
    Open,
    Received,
    Forwarded,
}

impl Client {
    /// A client that has sent nothing yet.
    pub(super) fn new(id: u64, socket: TcpStream, now: Instant) -> Self {
        let state = ClientState::Negotiating(Negotiation::default(), now + NEGOTIATION_TIMEOUT);
        Self { id, socket, side: ClientSide::Sending, state, to_node: Zeroizing::default(), to_client: Vec::new() }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, ClientState::Done)
    }

    /// Whether it has not logged in yet.
    pub(super) fn is_negotiating(&self) -> bool {
        matches!(self.state, ClientState::Negotiating(..))
    }

    /// Whether another SSH session could serve it as well.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, ClientState::Waiting(_))
    }

    pub(super) fn reads_from_client(&self) -> bool {
        let reads = matches!(self.state, ClientState::Negotiating(..) | ClientState::Forwarding(_));
        reads && self.side == ClientSide::Sending && self.to_node.len() < BUFFER_LIMIT
    }

    pub(super) fn writes_to_client(&self) -> bool {
        self.side != ClientSide::Gone && !self.to_client.is_empty()
    }

    /// Whether activity of the SSH session may lead to progress.
    pub(super) fn waits_for_node(&self) -> bool {
        match &self.state {
            ClientState::Negotiating(..) | ClientState::Waiting(_) | ClientState::Replying | ClientState::Done => false,
            ClientState::Inquiring(_, inquiry, _) => inquiry.uses_session(),
            ClientState::Opening(_) | ClientState::ProxyConnect(..) | ClientState::Closing(..) => true,
            ClientState::Forwarding(forwarding) => {
                let reads = forwarding.node_eof == EofState::Open && self.to_client.len() < BUFFER_LIMIT;
                let must_send_eof = self.side == ClientSide::Finished && forwarding.client_eof != EofState::Forwarded;
                reads || !self.to_node.is_empty() || must_send_eof
            }
        }
    }

    /// When a step is due even if nothing happens.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.state {
            ClientState::Negotiating(_, until) => Some(*until),
            ClientState::Inquiring(_, inquiry, until) => inquiry.can_end().then_some(*until),
            _ => None,
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.side == ClientSide::Gone
    }

    /// Notes that the other end of the socket is closed.
    pub(super) fn mark_gone(&mut self) {
        self.side = ClientSide::Gone;
        self.to_client.clear();
    }

    /// Does the work that is possible now.
    pub(super) fn step(&mut self, session: &mut SshSession, now: Instant) -> Result<Progressed, SessionLost> {
        let mut progressed = self.read_from_client();
        // The states own their channels, so the state is moved out and put back after the step. An error drops the
        // channel, but then the session is lost, too.
        let state = std::mem::replace(&mut self.state, ClientState::Done);
        let (state, changed) = match state {
            ClientState::Negotiating(negotiation, until) => self.negotiate(negotiation, until, session, now),
            // A client that has disconnected must not take the only channel that can be opened at a time.
            ClientState::Waiting(_) if self.is_gone() => (ClientState::Done, true),
            ClientState::Waiting(request) if session.opening.is_some() => (ClientState::Waiting(request), false),
            ClientState::Waiting(request) => {
                session.opening = Some((self.id, now));
                // If the channel does not open in time, this explains the timeout of the client.
                session.state.obstacles.note(&request, ObstacleReason::NoConnection);
                (ClientState::Opening(request), true)
            }
            ClientState::Opening(request) => self.open_channel(request, session, now)?,
            ClientState::ProxyConnect(request, channel, response) => {
                self.connect_through_proxy(request, channel, response, session)?
            }
            ClientState::Inquiring(request, inquiry, until) => self.inquire(request, inquiry, until, session, now)?,
            ClientState::Forwarding(forwarding) => self.forward(forwarding, session)?,
            ClientState::Closing(channel, packet) => self.close(channel, packet, session)?,
            ClientState::Replying if self.to_client.is_empty() => (ClientState::Done, true),
            state @ (ClientState::Replying | ClientState::Done) => (state, false),
        };
        self.state = state;
        progressed |= changed;
        progressed |= self.write_to_client();
        Ok(progressed)
    }

    fn read_from_client(&mut self) -> Progressed {
        let mut progressed = false;
        let mut bytes = [0; 8 * 1024];
        while self.reads_from_client() {
            match self.socket.read(&mut bytes) {
                // The client may have closed only its sending direction, so its socket stays open.
                Ok(0) => self.side = ClientSide::Finished,
                Ok(length) => self.to_node.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.mark_gone(),
            }
            progressed = true;
        }
        progressed
    }

    fn write_to_client(&mut self) -> Progressed {
        let mut progressed = false;
        while self.writes_to_client() {
            match self.socket.write(&self.to_client) {
                Ok(length) => drop(self.to_client.drain(..length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.mark_gone(),
            }
            progressed = true;
        }
        progressed
    }

    fn reply(&mut self, bytes: &[u8]) {
        if !self.is_gone() {
            self.to_client.extend_from_slice(bytes);
        }
    }

    fn refuse(&mut self, reply: Reply) -> (ClientState, Progressed) {
        self.reply(&reply.bytes());
        (ClientState::Replying, true)
    }

    fn negotiate(
        &mut self,
        mut negotiation: Negotiation,
        until: Instant,
        session: &SshSession,
        now: Instant,
    ) -> (ClientState, Progressed) {
        match negotiation.next(&mut self.to_node, |user, password| session.state.account(user, password)) {
            Next::Read if self.side != ClientSide::Sending || now >= until => (ClientState::Done, true),
            Next::Read => (ClientState::Negotiating(negotiation, until), false),
            Next::Send(bytes) => {
                self.reply(bytes);
                (ClientState::Negotiating(negotiation, until), true)
            }
            Next::Refuse(bytes) => {
                self.reply(&bytes);
                (ClientState::Replying, true)
            }
            Next::Connect(account, target) => {
                // The proxy of the account decides the route, because the client cannot name one.
                let request = session.state.request(account, target);
                if let NodeRoute::Unsupported(_) = request.route {
                    session.state.obstacles.note(&request, ObstacleReason::UnsupportedScheme);
                    return self.refuse(Reply::NotAllowed);
                }
                (ClientState::Waiting(request), true)
            }
        }
    }

    fn open_channel(
        &mut self,
        request: ForwardRequest,
        session: &mut SshSession,
        now: Instant,
    ) -> Result<(ClientState, Progressed), SessionLost> {
        let first_hop = request.first_hop();
        let opened = session.ssh.channel_direct_tcpip(&first_hop.host, first_hop.port, None);
        // A client that has disconnected meanwhile is not checked here, because an opening channel cannot be cancelled.
        let error = match opened {
            Err(error) if error.code() == AGAIN => return Ok((ClientState::Opening(request), false)),
            Err(error) => error,
            Ok(channel) => {
                session.opening = None;
                // sshd opened the channel, so it permits forwarding.
                session.state.note_permitted();
                return Ok((self.use_channel(request, channel, session), true));
            }
        };
        session.opening = None;
        // Only this error is about one channel. Every other error means that the session cannot be used any more.
        if error.code() != CHANNEL_FAILURE {
            return Err(SessionLost(error.message().to_owned()));
        }
        // These are texts of libssh2, which reports the two reasons with one error code.
        if error.message().contains("prohibited") {
            session.state.note_forbidden(&request);
            return Ok(self.refuse(Reply::NotAllowed));
        }
        let connect_failed = error.message().contains("connect failed");
        if connect_failed {
            // sshd tried to connect, so it permits forwarding even though the server did not accept.
            session.state.note_permitted();
        }
        Ok(match request.route {
            _ if connect_failed && !self.is_gone() => {
                (ClientState::Inquiring(request, Inquiry::Waiting, now + INQUIRY_TIMEOUT), true)
            }
            NodeRoute::Direct => self.refuse(Reply::Failed),
            NodeRoute::Proxy(..) | NodeRoute::Unsupported(_) => self.refuse(Reply::NotAllowed),
        })
    }

    fn use_channel(&mut self, request: ForwardRequest, channel: Channel, session: &SshSession) -> ClientState {
        match &request.route {
            NodeRoute::Proxy(_, login) => {
                self.to_node = route::connect_request(&request.target, login.as_ref());
                // This is removed when the proxy responds; until then it explains a timeout.
                session.state.obstacles.note(&request, ObstacleReason::NoResponse);
                ClientState::ProxyConnect(request, channel, Vec::new())
            }
            NodeRoute::Direct | NodeRoute::Unsupported(_) => {
                session.state.obstacles.remove(&request);
                self.grant(channel, PacketState::Complete)
            }
        }
    }

    fn grant(&mut self, channel: Channel, packet: PacketState) -> ClientState {
        self.reply(&Reply::Granted.bytes());
        let (client_eof, node_eof) = (EofState::Open, EofState::Open);
        ClientState::Forwarding(Forwarding { channel, packet, client_eof, node_eof })
    }

    fn connect_through_proxy(
        &mut self,
        request: ForwardRequest,
        mut channel: Channel,
        mut response: Vec<u8>,
        session: &SshSession,
    ) -> Result<(ClientState, Progressed), SessionLost> {
        let mut packet = PacketState::Complete;
        let mut progressed = self.send(&mut channel, &mut packet, session)?;
        let received = receive(&mut channel, &mut response)?;
        progressed |= received == ReadResult::Bytes;
        Ok(match route::connect_response(&response) {
            // The client has disconnected, so the response is not needed.
            _ if self.is_gone() => (ClientState::Closing(channel, packet), true),
            ConnectResponse::Accepted(length) => {
                session.state.obstacles.remove(&request);
                // Bytes after the header of the proxy already come from the server.
                let state = self.grant(channel, packet);
                self.reply(&response[length..]);
                (state, true)
            }
            ConnectResponse::Incomplete if received != ReadResult::Eof => {
                (ClientState::ProxyConnect(request, channel, response), progressed)
            }
            ConnectResponse::Incomplete => self.proxy_refused((channel, packet), &request, None, session),
            ConnectResponse::Refused(status) => self.proxy_refused((channel, packet), &request, status, session),
        })
    }

    /// Closes the channel to a proxy that refused the CONNECT request with this status.
    fn proxy_refused(
        &mut self,
        (channel, packet): (Channel, PacketState),
        request: &ForwardRequest,
        status: Option<u16>,
        session: &SshSession,
    ) -> (ClientState, Progressed) {
        session.state.obstacles.note(request, ObstacleReason::of_status(status, request));
        self.reply(&Reply::NotAllowed.bytes());
        (ClientState::Closing(channel, packet), true)
    }

    fn inquire(
        &mut self,
        request: ForwardRequest,
        inquiry: Inquiry,
        until: Instant,
        session: &mut SshSession,
        now: Instant,
    ) -> Result<(ClientState, Progressed), SessionLost> {
        // The reason is only used in the reply, which a client that has disconnected does not need.
        let end = if self.is_gone() { now } else { until };
        Ok(match inquiry.step(request.first_hop(), (now, end), self.id, session)? {
            InquiryStep::Pending(inquiry, progressed) => (ClientState::Inquiring(request, inquiry, until), progressed),
            InquiryStep::Finished(channel, reply) => {
                let reply = match request.route {
                    NodeRoute::Direct => reply,
                    // The reply can only describe the server, but the reason is about the proxy. It is recorded as an
                    // obstacle instead.
                    NodeRoute::Proxy(..) | NodeRoute::Unsupported(_) => {
                        session.state.obstacles.note(&request, ObstacleReason::of(reply));
                        Reply::NotAllowed
                    }
                };
                self.reply(&reply.bytes());
                let closing = |channel| ClientState::Closing(channel, PacketState::Complete);
                (channel.map_or(ClientState::Replying, closing), true)
            }
        })
    }

    fn forward(
        &mut self,
        mut forwarding: Forwarding,
        session: &SshSession,
    ) -> Result<(ClientState, Progressed), SessionLost> {
        let mut progressed = self.send(&mut forwarding.channel, &mut forwarding.packet, session)?;
        let sent_all = self.side == ClientSide::Finished && self.to_node.is_empty();
        if sent_all && forwarding.client_eof != EofState::Forwarded {
            // Both directions end separately: the server may still respond after the client has sent everything.
            match forwarding.channel.send_eof() {
                Ok(()) => {
                    forwarding.client_eof = EofState::Forwarded;
                    progressed = true;
                }
                Err(error) if error.code() == AGAIN => {}
                Err(error) => return Err(SessionLost(error.message().to_owned())),
            }
        }
        while forwarding.node_eof == EofState::Open && self.to_client.len() < BUFFER_LIMIT {
            match receive(&mut forwarding.channel, &mut self.to_client)? {
                ReadResult::Nothing => break,
                ReadResult::Bytes => progressed = true,
                ReadResult::Eof => {
                    forwarding.node_eof = EofState::Received;
                    progressed = true;
                }
            }
        }
        if forwarding.node_eof == EofState::Received && self.to_client.is_empty() {
            // This fails if the client has disconnected, which the event loop notices.
            let _ = self.socket.shutdown(Shutdown::Write);
            forwarding.node_eof = EofState::Forwarded;
            progressed = true;
        }
        let both_ended = forwarding.client_eof == EofState::Forwarded && forwarding.node_eof == EofState::Forwarded;
        if self.is_gone() || both_ended {
            self.to_client.clear();
            return Ok((ClientState::Closing(forwarding.channel, forwarding.packet), true));
        }
        Ok((ClientState::Forwarding(forwarding), progressed))
    }

    /// Sends to the node what the client has sent.
    fn send(
        &mut self,
        channel: &mut Channel,
        packet: &mut PacketState,
        session: &SshSession,
    ) -> Result<Progressed, SessionLost> {
        let mut progressed = false;
        while !self.to_node.is_empty() {
            match channel.write(&self.to_node) {
                Ok(0) => break,
                Ok(length) => {
                    self.to_node.drain(..length);
                    *packet = PacketState::Complete;
                    progressed = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // libssh2 does not report how many bytes it sent, only that it waits to send the rest.
                    let outbound =
                        matches!(session.ssh.block_directions(), BlockDirections::Outbound | BlockDirections::Both);
                    *packet = if outbound { PacketState::Partial } else { PacketState::Complete };
                    break;
                }
                Err(error) => return Err(lost(&error)),
            }
        }
        Ok(progressed)
    }

    fn close(
        &mut self,
        mut channel: Channel,
        mut packet: PacketState,
        session: &SshSession,
    ) -> Result<(ClientState, Progressed), SessionLost> {
        // The rest of a packet must be sent first, because libssh2 would otherwise mix it with the next packet.
        if packet == PacketState::Partial {
            self.send(&mut channel, &mut packet, session)?;
            if packet == PacketState::Partial {
                return Ok((ClientState::Closing(channel, packet), false));
            }
        }
        match channel.close() {
            Ok(()) => Ok((ClientState::Replying, true)),
            Err(error) if error.code() == AGAIN => Ok((ClientState::Closing(channel, packet), false)),
            Err(error) => Err(SessionLost(error.message().to_owned())),
        }
    }
}
