//! What clients are told where TLS is required of them: configuration that adds the address of a page to the refusal.

use super::Server;

/// Why an address of a page is not taken.
pub fn check(url: &str) -> Result<(), String> {
    let expected =
        "an address such as https://example.org/tls, of letters, digits and :/._~%?&=+,@-";
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    // What means something in a Postfix table, an m4 file or a rule set has no place in it.
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":/._~%?&=+,@-".contains(c);
    match rest {
        Some(rest) if !rest.is_empty() && url.len() <= 200 && rest.chars().all(allowed) => Ok(()),
        _ => Err(format!("expected {expected}; found `{url}`")),
    }
}

const POSTFIX: &str = "\
# /etc/postfix/tls_reject.regexp: adds the address to these two refusals, and to no other.
/^530 5\\.7\\.0 Must issue a STARTTLS command first/  \\c; see URL
/^450 4\\.7\\.1 .*Session encryption is required/     \\c; see URL

# The first phase: mail in clear is put off, so that its sender is told after a while and can still send it again. What stands in the two settings
# stays, and comes first. The code is plaintext_reject_code, which is 450 unless it was changed.
postconf -e \"smtpd_reject_footer_maps=$(postconf -h smtpd_reject_footer_maps) regexp:/etc/postfix/tls_reject.regexp\"
postconf -e \"smtpd_sender_restrictions=$(postconf -h smtpd_sender_restrictions) permit_mynetworks reject_plaintext_session\" && postfix reload

# The second phase: it is refused. Look first what is to be gone back to: postconf smtpd_tls_security_level
postconf -e smtpd_tls_security_level=encrypt && postfix reload

# Back: takes out what was added, and nothing else.
postconf -e \"smtpd_sender_restrictions=$(postconf -h smtpd_sender_restrictions | sed 's| *permit_mynetworks reject_plaintext_session||')\"
postconf -e \"smtpd_reject_footer_maps=$(postconf -h smtpd_reject_footer_maps | sed 's| *regexp:/etc/postfix/tls_reject.regexp||')\"
postconf -e smtpd_tls_security_level=may && postfix reload
";

const SENDMAIL: &str = "\
dnl At the end of sendmail.mc. Between left and right side of a rule stands a TAB. Own networks get a line like the two for 127.0.0.1 and ::1.
dnl The first phase puts mail in clear off; for the second write 530 5.7.0 in place of 450 4.7.0. Take it out again to go back.
LOCAL_RULESETS
SLocal_check_mail
R$*\t$: $&{client_addr} $| $&{tls_version}
R127.0.0.1 $| $*\t$@ OK
RIPv6:0:0:0:0:0:0:0:1 $| $*\t$@ OK
R0 $| $*\t$@ OK
R$* $| $+\t$@ OK
R$* $|\t$#error $@ 4.7.0 $: \"450 4.7.0 Must issue a STARTTLS command first; see URL\"
";

/// The configuration. The address has passed [`check`].
pub fn text(server: Server, url: &str) -> String {
    let template = match server {
        Server::Postfix => POSTFIX,
        Server::Sendmail => SENDMAIL,
    };
    template.replace("URL", url)
}
