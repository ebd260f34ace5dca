//! The HTML report: one file that stands alone, in which nothing a stranger wrote is markup, and which an operator can change.

use crate::sandbox::{Sandbox, sample};

fn with(log: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let log = sample(log);
    sandbox
        .run(&["import", "--quiet", &log.to_string_lossy()])
        .ok();
    sandbox
}

fn page(sandbox: &Sandbox) -> String {
    let args = ["report", "--all", "--format", "html"];
    sandbox.run(&args).ok().out
}

/// Each `<NAME` there is, without closing tags.
fn elements(html: &str) -> Vec<&str> {
    let starts = html.split('<').skip(1);
    let names = starts.map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '!');
        &rest[..end.unwrap_or(rest.len())]
    });
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn the_page_stands_alone() {
    let html = page(&with("postfix/rfc3339.log"));
    assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
    assert!(
        html.contains("default-src 'none'"),
        "a policy forbids requests"
    );
    let loads = ["script", "img", "link", "iframe", "object", "form", "base"];
    let found: Vec<&str> = elements(&html)
        .into_iter()
        .filter(|name| loads.contains(name))
        .collect();
    assert_eq!(found, [""; 0]);
    for attribute in [" src=", " onclick=", "href=\"http", "url(", "@import"] {
        assert!(!html.contains(attribute), "{attribute}");
    }
}

#[test]
fn every_link_leads_somewhere_and_every_place_is_there_once() {
    let html = page(&with("sendmail/loglevel9.log"));
    let values = |start: &str| -> Vec<String> {
        let after = html.split(start).skip(1);
        after
            .filter_map(|rest| Some(rest.split_once('"')?.0.to_string()))
            .collect()
    };
    let mut places = values(" id=\"");
    places.sort();
    let count = places.len();
    places.dedup();
    assert_eq!(places.len(), count, "each id once");
    let links = values("href=\"#");
    assert!(links.len() > 10, "peers are linked");
    for link in links {
        assert!(places.contains(&link), "{link} is nowhere");
    }
}

#[test]
fn the_page_says_what_the_summary_says_and_shows_the_proof() {
    let sandbox = with("edge/rivals.log");
    let summary = sandbox.run(&["report", "--all"]).ok().out;
    let headline = summary.lines().next().expect("a report has a headline");
    let html = page(&sandbox);
    assert!(html.contains(headline), "{headline}");
    for words in [
        "<h2>plain.example</h2>",
        "in clear, and the log does not say why",
        "status&#x3D;sent",
        "The share over TLS",
    ] {
        assert!(html.contains(words), "{words}");
    }
}

#[test]
fn names_that_are_markup_stay_text() {
    let sandbox = Sandbox::new();
    let name = "<img/src=x/onerror=alert(1)>.example";
    let log = format!(
        "2026-11-20T10:00:00+00:00 mx postfix/smtp[1]: Trusted TLS connection established to a.example[192.0.2.1]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n\
         2026-11-20T10:00:01+00:00 mx postfix/smtp[1]: 4A1: to=<u@a.example>, relay=a.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)\n\
         2026-11-20T10:00:02+00:00 mx postfix/smtp[2]: 4A2: to=<u@{name}>, relay=b.example[192.0.2.2]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 <script>alert(1)</script>)\n"
    );
    sandbox.write("mail.log", log);
    sandbox.run(&["import", "--quiet", "mail.log"]).ok();
    let html = page(&sandbox);
    assert!(html.contains("onerror"), "the name is shown");
    let odd: Vec<&str> = elements(&html)
        .into_iter()
        .filter(|name| ["img", "script"].contains(name))
        .collect();
    assert_eq!(odd, [""; 0]);
}

#[test]
fn each_report_is_a_page_and_an_empty_store_is_one_too() {
    let sandbox = with("postfix/rfc3339.log");
    for args in [
        &["report", "domains"][..],
        &["report", "protocols"],
        &["peer", "not-offered.example"],
        &["doctor"],
    ] {
        let ran = sandbox.run(&[args, &["--format", "html"]].concat()).ok();
        assert!(ran.out.ends_with("</html>\n"), "{args:?}");
    }
    let empty = Sandbox::new();
    empty.write(
        "mail.log",
        "2026-11-20T10:00:00+00:00 mx postfix/qmgr[1]: 4A1: removed\n",
    );
    empty.run(&["import", "--quiet", "mail.log"]).ok();
    assert!(page(&empty).contains("No mail is known of in this period."));
}

#[test]
fn an_operators_own_template_is_used_and_a_wrong_one_is_named() {
    let sandbox = with("postfix/rfc3339.log");
    std::fs::create_dir_all(sandbox.path("own/html")).expect("writable");
    sandbox.write("tlsnag.toml", "templates = \"own\"\n");
    let args = ["--config", "tlsnag.toml", "report", "--format", "html"];
    sandbox.write("own/html/style.hbs", "body { background: seashell }");
    assert!(sandbox.run(&args).ok().out.contains("seashell"));
    sandbox.write("own/html/part.hbs", "{{#each sections}}");
    sandbox.run(&args).fails_with(&["part.hbs"]);
    sandbox.write("tlsnag.toml", "templates = \"nowhere\"\n");
    sandbox.run(&args).fails_with(&["nowhere/html"]);
}
