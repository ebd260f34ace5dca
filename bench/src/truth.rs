//! What a generated log says in truth: counted line by line as it is written, so that it holds for exactly that file.

/// What a line may state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// An attempt for one recipient of a peer over TLS, whatever its status.
    DeliveryEncrypted,
    /// The same in clear.
    DeliveryPlaintext,
    /// An attempt for one recipient of a peer where no mail crossed: no connection, no handshake, no certificate we accept.
    DeliveryNone,
    /// A TLS handshake with an MX host failed.
    OutboundHandshakeFailed,
    /// A TLS handshake of a client failed.
    InboundHandshakeFailed,
    /// A session of a peer that brought mail over TLS.
    InboundTls,
    /// The same in clear.
    InboundPlaintext,
    /// A message was taken into the queue, from a peer or from us.
    Message,
}

const FACTS: [(Fact, &str); 8] = [
    (Fact::DeliveryEncrypted, "deliveries_encrypted"),
    (Fact::DeliveryPlaintext, "deliveries_plaintext"),
    (Fact::DeliveryNone, "deliveries_none"),
    (Fact::OutboundHandshakeFailed, "handshakes_failed_outbound"),
    (Fact::InboundHandshakeFailed, "handshakes_failed_inbound"),
    (Fact::InboundTls, "inbound_sessions_tls"),
    (Fact::InboundPlaintext, "inbound_sessions_plaintext"),
    (Fact::Message, "messages"),
];

/// Totals of one log.
#[derive(Debug, Default)]
pub struct Truth {
    /// Octets written.
    pub octets: u64,
    /// Lines written.
    pub lines: u64,
    counts: [u64; FACTS.len()],
}

impl Truth {
    /// Counts a line.
    pub fn count_line(&mut self, octets: u64, fact: Option<(Fact, u64)>) {
        self.octets += octets;
        self.lines += 1;
        if let Some((fact, times)) = fact {
            self.counts[fact as usize] += times;
        }
    }

    /// As a JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        let mut object = serde_json::Map::new();
        object.insert("octets".to_owned(), self.octets.into());
        object.insert("lines".to_owned(), self.lines.into());
        for (fact, name) in FACTS {
            object.insert(name.to_owned(), self.counts[fact as usize].into());
        }
        object.into()
    }
}

#[cfg(test)]
mod tests {
    use super::FACTS;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (at, (fact, _)) in FACTS.iter().enumerate() {
            assert_eq!(*fact as usize, at);
        }
    }
}
