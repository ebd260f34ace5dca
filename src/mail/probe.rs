//! Asks a mail server, as a client would, whether TLS works. Nothing is sent but EHLO, STARTTLS and QUIT, and a certificate is not judged:
//! mail goes out whatever it is.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lettre::transport::smtp::client::{SmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;

use super::outbox::in_words;

/// How long to wait for each answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the server did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// TLS came up.
    Works,
    /// STARTTLS is not announced.
    NotOffered,
    /// STARTTLS is announced, and answered with an error.
    Refused(String),
    /// STARTTLS is accepted, and the handshake fails.
    HandshakeFailed(String),
    /// It could not be asked: that says nothing.
    Unreachable(String),
}

/// Asks the server at `address`, saying that we are `helo`.
pub fn ask(address: IpAddr, port: u16, helo: &str) -> Answer {
    let name = ClientId::Domain(helo.to_string());
    let unreachable = |error: lettre::transport::smtp::Error| Answer::Unreachable(in_words(&error));
    let parameters = TlsParameters::builder(address.to_string())
        .dangerous_accept_invalid_certs(true)
        .dangerous_accept_invalid_hostnames(true)
        .build_rustls();
    let parameters = match parameters {
        Ok(parameters) => parameters,
        Err(error) => return unreachable(error),
    };
    let at = SocketAddr::new(address, port);
    let mut connection = match SmtpConnection::connect(at, Some(PATIENCE), &name, None, None) {
        Ok(connection) => connection,
        Err(error) => return unreachable(error),
    };
    if !connection.can_starttls() {
        connection.quit().ok();
        return Answer::NotOffered;
    }
    let answer = match connection.starttls(&parameters, &name) {
        Ok(()) => Answer::Works,
        Err(error) if error.status().is_some() && !connection.is_encrypted() => {
            Answer::Refused(in_words(&error))
        }
        // An answer that came over TLS, whatever it says: TLS came up.
        Err(error) if error.status().is_some() => Answer::Works,
        Err(error) => Answer::HandshakeFailed(in_words(&error)),
    };
    if !connection.has_broken() {
        connection.quit().ok();
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{Ipv4Addr, TcpListener};

    fn against(answers: &'static [&'static str]) -> Answer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for answer in answers {
                stream.write_all(format!("{answer}\r\n").as_bytes()).ok();
                lines.next();
            }
        });
        let answer = ask(Ipv4Addr::LOCALHOST.into(), port, "us.example");
        thread.join().unwrap();
        answer
    }

    #[test]
    fn what_a_server_does() {
        assert_eq!(
            against(&["220 hi", "250 mx", "221 bye"]),
            Answer::NotOffered
        );
        let refused = against(&[
            "220 hi",
            "250-mx\r\n250 STARTTLS",
            "454 4.7.0 TLS not available",
            "221 bye",
        ]);
        assert!(matches!(refused, Answer::Refused(said) if said.contains("454")));
        let failed = against(&[
            "220 hi",
            "250-mx\r\n250 STARTTLS",
            "220 go\r\nthis is no TLS",
        ]);
        assert!(matches!(failed, Answer::HandshakeFailed(_)), "{failed:?}");
        assert!(matches!(against(&["421 too busy"]), Answer::Unreachable(_)));
        assert!(matches!(
            ask(Ipv4Addr::LOCALHOST.into(), 1, "us.example"),
            Answer::Unreachable(_)
        ));
    }
}
