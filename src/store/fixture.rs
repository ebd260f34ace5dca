//! Outcomes for tests: `outbound("example.com").at(5).build()`.

use std::sync::Arc;

use maillog::{Cause, Dsn, Protocol, Status, Verification};

use crate::outcome::{
    Class, Direction, Emission, Fact, Outcome, Parameters, PeerName, ProofLine, Service, Tls,
};

use super::{Batch, Store};

/// 2026-11-20, a Friday, as a day.
pub(crate) const DAY: i32 = 20_777;
/// Its first second.
pub(crate) const MIDNIGHT: i64 = DAY as i64 * 86_400;

/// An outcome in the making.
#[derive(Clone)]
pub(crate) struct Builder(Outcome);

fn service(tag: &str) -> Arc<Service> {
    Arc::new(Service {
        host: "mx".into(),
        tag: tag.into(),
    })
}

fn start(direction: Direction, tag: &str) -> Builder {
    Builder(Outcome {
        at: MIDNIGHT,
        service: service(tag),
        direction,
        peer: Arc::default(),
        met: 0,
        tls: Tls::None,
        class: Class::Unknown,
        cause: Cause::Unknown,
        shown: false,
        parameters: Parameters::none(),
        delivery: None,
        dsn: None,
        count: 1,
        messages: 0,
        handshakes: 0,
        internal: false,
        correspondent: String::new(),
        proof: Vec::new(),
    })
}

/// A delivery to a domain with one MX host.
pub(crate) fn outbound(domain: &str) -> Builder {
    let mut builder = start(Direction::Outbound, "postfix/smtp");
    builder.0.peer = Arc::new(PeerName {
        domain: domain.into(),
        host: format!("mx.{domain}").into(),
        address: "192.0.2.1".into(),
        port: 25,
    });
    builder.0.delivery = Some(Status::Sent);
    builder.0.proof = proof(0);
    builder
}

/// A session of a client.
pub(crate) fn inbound(name: &str, address: &str) -> Builder {
    let mut builder = start(Direction::Inbound, "postfix/smtpd");
    builder.0.peer = Arc::new(PeerName {
        host: name.into(),
        address: address.into(),
        ..PeerName::default()
    });
    builder.0.messages = 1;
    builder.0.proof = proof(0);
    builder
}

pub(crate) fn proof(offset: u64) -> Vec<ProofLine> {
    vec![ProofLine {
        source: 1,
        offset,
        text: format!("Nov 20 00:00:00 mx postfix/smtp[1]: line at {offset}"),
    }]
}

impl Builder {
    pub(crate) fn at(mut self, second: i64) -> Self {
        self.0.at = MIDNIGHT + second;
        self
    }
    pub(crate) fn host(mut self, host: &str, address: &str) -> Self {
        let peer = Arc::make_mut(&mut self.0.peer);
        peer.host = host.into();
        peer.address = address.into();
        self
    }
    pub(crate) fn encrypted(mut self, protocol: Protocol) -> Self {
        self.0.tls = Tls::Encrypted;
        self.0.class = Class::TlsTrusted;
        self.0.handshakes = 1;
        self.0.parameters = Arc::new(Parameters {
            protocol: Some(protocol),
            cipher: "TLS_AES_256_GCM_SHA384".into(),
            bits: 256,
            key_exchange: "X25519".into(),
            verification: Verification::Trusted,
        });
        self
    }
    pub(crate) fn plaintext(mut self, class: Class) -> Self {
        self.0.tls = Tls::Plaintext;
        self.0.class = class;
        self
    }
    pub(crate) fn shown(mut self) -> Self {
        self.0.shown = true;
        self
    }

    pub(crate) fn silent(mut self) -> Self {
        self.0.tls = Tls::Silent;
        self.0.class = Class::PlaintextCauseUnknown;
        self
    }
    pub(crate) fn failed(mut self, class: Class, cause: Cause) -> Self {
        self.0.class = class;
        self.0.cause = cause;
        self.0.messages = 0;
        if self.0.direction == Direction::Outbound {
            self.0.delivery = Some(Status::Deferred);
            self.0.dsn = Some(Dsn(4, 7, 5));
        }
        if class.row().handshake_failed {
            self.0.handshakes = 1;
        }
        self
    }
    pub(crate) fn delivery(mut self, status: Status) -> Self {
        self.0.delivery = Some(status);
        self
    }
    /// No message of the session was accepted.
    pub(crate) fn refused(mut self) -> Self {
        self.0.messages = 0;
        self
    }
    pub(crate) fn correspondent(mut self, address: &str) -> Self {
        self.0.correspondent = address.into();
        self
    }
    pub(crate) fn bits(mut self, bits: u16) -> Self {
        Arc::make_mut(&mut self.0.parameters).bits = bits;
        self
    }
    pub(crate) fn verified(self) -> Self {
        self.verification(Verification::Verified)
    }
    pub(crate) fn verification(mut self, verification: Verification) -> Self {
        Arc::make_mut(&mut self.0.parameters).verification = verification;
        self
    }
    pub(crate) fn cipher(mut self, cipher: &str, key_exchange: &str) -> Self {
        let parameters = Arc::make_mut(&mut self.0.parameters);
        parameters.cipher = cipher.into();
        parameters.key_exchange = key_exchange.into();
        self
    }
    pub(crate) fn tag(mut self, tag: &str) -> Self {
        self.0.service = service(tag);
        self
    }
    pub(crate) fn proof(mut self, offset: u64) -> Self {
        self.0.proof = proof(offset);
        self
    }
    pub(crate) fn times(mut self, count: u32) -> Self {
        self.0.count = count;
        self
    }
    pub(crate) fn build(self) -> Emission {
        Emission::Outcome(self.0)
    }
}

/// Something proven about the logging on [`DAY`].
pub(crate) fn fact(direction: Direction, fact: Fact) -> Emission {
    let tag = match direction {
        Direction::Outbound => "postfix/smtp",
        Direction::Inbound => "postfix/smtpd",
    };
    Emission::Fact {
        service: service(tag),
        direction,
        at: MIDNIGHT,
        fact,
        proof: proof(7).remove(0),
    }
}

/// A store with these in it.
pub(crate) fn store(emissions: impl IntoIterator<Item = Emission>) -> Store {
    let mut store = Store::in_memory().unwrap();
    let mut batch = Batch::new(true);
    emissions.into_iter().for_each(|e| batch.add(&e));
    store.commit(&mut batch, &[], "", None).unwrap();
    store
}
