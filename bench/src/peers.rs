//! The correspondents: domains, their MX hosts and sending hosts, and what TLS they manage.
//!
//! Names end in the reserved `.example` and `.test`, addresses lie in 240.0.0.0/4 (never assigned) and 2001:db8::/32
//! (documentation): no line can accuse anybody.

use std::rc::Rc;

use crate::rng::Rng;

/// What happens when somebody speaks TLS with a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The certificate is signed by an authority we know.
    Trusted,
    /// The certificate matches what we demanded.
    Verified,
    /// The certificate is signed by nobody we know.
    Untrusted,
    /// No certificate.
    Anonymous,
    /// STARTTLS is not offered.
    NoTls,
    /// Two of five handshakes fail.
    Flaky,
    /// We demand a certificate that matches; theirs does not.
    BadCertificate,
}

/// Shares of the policies among the domains, of a thousand.
const POLICIES: &[(u64, Policy)] = &[
    (580, Policy::Trusted),
    (40, Policy::Verified),
    (170, Policy::Untrusted),
    (60, Policy::Anonymous),
    (90, Policy::NoTls),
    (40, Policy::Flaky),
    (20, Policy::BadCertificate),
];

/// Version, cipher and so on of a TLS session.
#[derive(Debug)]
pub struct Suite {
    /// `TLSv1.3`
    pub version: &'static str,
    /// `TLS_AES_256_GCM_SHA384`
    pub cipher: &'static str,
    /// `256/256`
    pub bits: &'static str,
    /// What Postfix says of the key exchange when the peer is the server; nothing before TLS 1.3.
    pub as_server: &'static str,
    /// The same when we are the server.
    pub as_client: &'static str,
}

const TLS13_CLIENT: &str =
    " key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256";

/// Shares of the suites among the peers.
const SUITES: &[(u64, Suite)] = &[
    (
        420,
        suite13(
            "TLS_AES_256_GCM_SHA384",
            "256/256",
            " key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256",
        ),
    ),
    (
        200,
        suite13(
            "TLS_AES_256_GCM_SHA384",
            "256/256",
            " key-exchange X25519 server-signature ECDSA (prime256v1) server-digest SHA256",
        ),
    ),
    (
        60,
        suite13(
            "TLS_AES_128_GCM_SHA256",
            "128/128",
            " key-exchange ECDHE (P-256) server-signature RSA-PSS (4096 bits) server-digest SHA256",
        ),
    ),
    (
        210,
        suite12("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384", "256/256"),
    ),
    (
        40,
        suite12("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384", "256/256"),
    ),
    (
        30,
        suite12("TLSv1.2", "DHE-RSA-AES256-GCM-SHA384", "256/256"),
    ),
    (15, suite12("TLSv1.2", "AES128-SHA", "128/128")),
    (10, suite12("TLSv1.1", "ECDHE-RSA-AES256-SHA", "256/256")),
    (15, suite12("TLSv1", "ECDHE-RSA-AES256-SHA", "256/256")),
];

/// What a peer without a certificate speaks.
static ANONYMOUS: Suite = suite12("TLSv1.2", "AECDH-AES256-SHA", "256/256");

const fn suite13(cipher: &'static str, bits: &'static str, as_server: &'static str) -> Suite {
    Suite {
        version: "TLSv1.3",
        cipher,
        bits,
        as_server,
        as_client: TLS13_CLIENT,
    }
}

const fn suite12(version: &'static str, cipher: &'static str, bits: &'static str) -> Suite {
    Suite {
        version,
        cipher,
        bits,
        as_server: "",
        as_client: "",
    }
}

/// A host of a peer.
#[derive(Debug)]
pub struct Host {
    /// Without the trailing dot; `unknown` for a sending host without a name.
    pub name: String,
    /// As Postfix writes it, without brackets.
    pub address: String,
    /// Whether the address is an IPv6 one.
    pub v6: bool,
}

/// A domain we exchange mail with.
#[derive(Debug)]
pub struct Peer {
    /// `harbormotors17.example`
    pub domain: String,
    /// One to five hosts that take its mail.
    pub mx: Vec<Host>,
    /// The host that sends its mail.
    pub out: Host,
    /// What TLS it manages.
    pub policy: Policy,
    /// What it speaks when it does.
    pub suite: &'static Suite,
    /// How its handshakes fail, if they do: an index into the tables of failures.
    pub fault: usize,
}

const FIRST: &[&str] = &[
    "harbor", "lumen", "cedar", "onyx", "willow", "raven", "delta", "nord", "klein", "ivory",
    "maple", "sierra", "umber", "zephyr", "falcon", "tundra", "glacier", "violet",
];
const SECOND: &[&str] = &[
    "motors", "soft", "media", "foods", "legal", "bank", "press", "games", "works", "health",
    "supply", "cloud", "freight", "klinik", "optik", "garten",
];
const MX: &[&str] = &["mx", "mail", "smtp", "in", "mx-in", "relay"];
const OUT: &[&str] = &["out", "mail", "mout", "smtp-out", "gw"];

/// Makes so many peers.
pub fn make(count: usize, rng: &mut Rng) -> Vec<Rc<Peer>> {
    let mut addresses = 0;
    (0..count.max(1))
        .map(|rank| Rc::new(make_one(rank, &mut addresses, rng)))
        .collect()
}

fn make_one(rank: usize, addresses: &mut u64, rng: &mut Rng) -> Peer {
    let (first, second) = (rng.one_of(FIRST), rng.one_of(SECOND));
    let top = rng.weighted(&[(7, "example"), (3, "test")]);
    let domain = format!("{first}{second}{rank}.{top}");
    let policy = *rng.weighted(POLICIES);
    let suite = match policy {
        Policy::Anonymous => &ANONYMOUS,
        _ => rng.weighted(SUITES),
    };
    let mx = make_mx(&domain, addresses, rng);
    let out = match rng.permille(50) {
        true => host("unknown".to_owned(), addresses, rng),
        false => host(format!("{}.{domain}", rng.one_of(OUT)), addresses, rng),
    };
    Peer {
        mx,
        out,
        policy,
        suite,
        domain,
        fault: rng.below(60) as usize,
    }
}

/// Every twelfth domain is hosted elsewhere, under a name that Sendmail has to shorten.
fn make_mx(domain: &str, addresses: &mut u64, rng: &mut Rng) -> Vec<Host> {
    let count = *rng.weighted(&[(50, 1), (28, 2), (12, 3), (6, 4), (4, 5)]);
    let label = rng.one_of(MX);
    let hosted = rng.permille(80);
    (1..=count)
        .map(|number| {
            let name = match (hosted, count) {
                (true, _) => format!(
                    "{}.mx{number}.protection.cloudmail.example",
                    domain.replace('.', "-")
                ),
                (false, 1) => format!("{label}.{domain}"),
                (false, _) => format!("{label}{number}.{domain}"),
            };
            host(name, addresses, rng)
        })
        .collect()
}

/// A host with an address of its own, six of a hundred with an IPv6 one.
fn host(name: String, addresses: &mut u64, rng: &mut Rng) -> Host {
    *addresses += 1;
    let number = *addresses;
    let v6 = rng.permille(60);
    let address = match v6 {
        true => format!("2001:db8:{:x}:{:x}::25", number >> 16, number & 0xffff),
        false => v4(number),
    };
    Host { name, address, v6 }
}

/// The address of that number, the numbers spread over 240.0.0.0/4.
pub fn v4(number: u64) -> String {
    // odd factor: a permutation of the 2^28 addresses
    let spread = number.wrapping_mul(0x9E3_779B) & 0x0fff_ffff;
    format!(
        "{}.{}.{}.{}",
        240 + (spread >> 24),
        (spread >> 16) & 255,
        (spread >> 8) & 255,
        spread & 255
    )
}
