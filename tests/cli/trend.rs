//! The trend and its changes through the binary: a fall found with its days and its bearer, the answer for programs, and the alert that tells
//! it once.

use crate::policy::delivery;
use crate::sandbox::{Ran, Sandbox};

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// One mail sent at a second of a day of October.
fn mail(day: u64, second: u64, n: u64, domain: &str, tls: bool) -> String {
    let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
    let at = format!("2026-10-{day:02}T{h:02}:{m:02}:{s:02}+00:00 mx");
    let pid = 1000 + n;
    let established = match tls {
        true => format!(
            "{at} postfix/smtp[{pid}]: Trusted TLS connection established to mx.{domain}[192.0.2.1]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n"
        ),
        false => String::new(),
    };
    format!(
        "{established}{at} postfix/smtp[{pid}]: 4D{n:06X}: to=<u@{domain}>, relay=mx.{domain}[192.0.2.1]:25, delay=1, delays=0/0/0.5/0.5, dsn=2.0.0, status=sent (250 ok)\n"
    )
}

/// A day's mail: three tenths to one large peer, `large` of a hundred of it over TLS; half to peers with TLS, the rest to peers without.
fn day(day: u64, large: u64) -> String {
    let mut dice = Dice(day);
    let mut lines = String::new();
    for n in 0..200 {
        let (domain, tls) = match dice.below(10) {
            0..3 => ("large.example".to_string(), dice.below(100) < large),
            3..8 => (format!("good{}.example", dice.below(20)), true),
            _ => (format!("clear{}.example", dice.below(5)), false),
        };
        lines.push_str(&mail(
            day,
            400 * n + dice.below(300),
            1000 * day + n,
            &domain,
            tls,
        ));
    }
    lines
}

/// The story of October 2014: it begins on the 7th, falls sharply on the 11th, and ends on the 15th.
fn story(days: std::ops::RangeInclusive<u64>) -> String {
    let large = |date| match date {
        ..7 => 100,
        7..11 => 88 - 4 * (date - 7),
        11..15 => 35 - 8 * (date - 11),
        _ => 0,
    };
    days.map(|date| day(date, large(date))).collect()
}

fn with(log: String) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", log);
    sandbox.run(&["import", "--quiet", "mail.log"]).ok();
    sandbox
}

fn report(sandbox: &Sandbox, args: &[&str]) -> Ran {
    sandbox.run(&[&["report"], args].concat())
}

#[test]
fn the_trend_has_the_days_of_the_fall() {
    let sandbox = with(story(1..=20));
    insta::assert_snapshot!(report(&sandbox, &["trend"]).ok().out, @r#"
    Sent mail: the share over TLS fell from 2026-10-07 on, most on 2026-10-11, until 2026-10-15: from
    80.0 % to 51.1 %.
    Period: 2026-09-21 to 2026-10-20 (days in UTC)

    Over the days:
    mail            day by day            % first  lowest  last
    --------------  --------------------  -------  ------  ----
    sent            +++++++===--.__..__.     80.0    48.0  51.8
    sent, of peers  ......______________     80.8    76.0  76.9

    Changes of what peers do:
    mail  it    began       steepest    new since   % before  % after  by themselves  % sure
    ----  ----  ----------  ----------  ----------  --------  -------  -------------  ------
    sent  fell  2026-10-07  2026-10-11  2026-10-15      80.0     51.1          -28.1    99.9

    Day by day:
    day         mail  TLS  clear  unknown     %  between  peers TLS  clear     %  change
    ----------  ----  ---  -----  -------  ----  -------  ---------  -----  ----  --------------
    2026-10-01  sent  160     40        0  80.0    73-86         21      5  80.8
    2026-10-02  sent  162     38        0  81.0    74-87         21      5  80.8
    2026-10-03  sent  156     42        2  78.8    72-85         21      5  80.8
    2026-10-04  sent  157     43        0  78.5    72-84         21      5  80.8
    2026-10-05  sent  162     38        0  81.0    74-87         21      5  80.8
    2026-10-06  sent  161     39        0  80.5    74-86         21      5  80.8
    2026-10-07  sent  158     41        1  79.4    72-85         20      6  76.9  begins to fall
    2026-10-08  sent  147     53        0  73.5    66-80         20      6  76.9
    2026-10-09  sent  140     60        0  70.0    62-77         20      6  76.9
    2026-10-10  sent  140     59        1  70.4    63-77         20      6  76.9
    2026-10-11  sent  124     76        0  62.0    54-69         20      6  76.9  falls most
    2026-10-12  sent  124     74        2  62.6    54-70         20      6  76.9
    2026-10-13  sent  112     87        1  56.3    48-64         19      6  76.0
    2026-10-14  sent  101     97        2  51.0    43-59         20      6  76.9
    2026-10-15  sent   98    102        0  49.0    41-57         20      6  76.9  has fallen
    2026-10-16  sent  111     89        0  55.5    48-63         20      6  76.9
    2026-10-17  sent  105     91        4  53.6    46-61         20      6  76.9
    2026-10-18  sent   97    102        1  48.7    41-57         20      6  76.9
    2026-10-19  sent   96    104        0  48.0    40-56         20      6  76.9
    2026-10-20  sent  102     95        3  51.8    44-60         20      6  76.9

    A peer counts as one over TLS on a day on which none of its mail went in clear. "Between" has the
    exact 95 % bounds of the share, in which mail of one peer within an hour counts as about one. A
    change is told if peers do otherwise than before; that others write, or write more, is none. Of a
    hundred months without a change fewer than one is said to have one.

    Who carries a change: `tlsnag report changes`.
    "#);
    let drawn = |locale| {
        let ran = sandbox.run_with(&["report", "trend"], &[("LANG", locale)]);
        ran.ok().out
    };
    assert!(drawn("de_DE.UTF-8").contains('▁') && !drawn("C").contains('▁'));
}

#[test]
fn programs_get_each_day_and_each_change() {
    let json = report(&with(story(1..=20)), &["trend", "--format", "json"])
        .ok()
        .json();
    let rows = json["rows"].as_array().cloned().unwrap_or_default();
    assert_eq!(rows.len(), 21);
    insta::assert_snapshot!(format!("{}\n{}", rows[6], rows[20]), @r#"
    {"confidence":"","day":"2026-10-07","direction":"outbound","encrypted":158,"end":"","item":"day","lower":72.1,"onset":"","peers_encrypted":20,"peers_plaintext":6,"plaintext":41,"points_own":"","share":79.4,"share_after":"","share_before":"","share_peers":76.9,"steepest":"","unknown":1,"upper":85.5,"what":"begins to fall"}
    {"confidence":99.9,"day":"","direction":"outbound","encrypted":"","end":"2026-10-15","item":"change","lower":"","onset":"2026-10-07","peers_encrypted":"","peers_plaintext":"","plaintext":"","points_own":-28.1,"share":"","share_after":51.1,"share_before":80.0,"share_peers":"","steepest":"2026-10-11","unknown":"","upper":"","what":"fall"}
    "#);
}

#[test]
fn a_change_is_told_with_its_days_and_who_carries_it() {
    let sandbox = with(story(1..=20));
    let out = report(&sandbox, &["changes"]).ok().out;
    let words = out.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "the share over TLS fell from 2026-10-07 on, most on 2026-10-11, until 2026-10-15",
        "large.example carries most of it, and has no TLS any more: it was switched off",
        "Who lost or won TLS: ",
    ] {
        assert!(words.contains(expected), "{expected}: {out}");
    }
    assert!(
        !words.contains("0.0 0.0 0.0 0.0"),
        "no share of no mail: {out}"
    );
    let since = report(&sandbox, &["changes", "--since", "2026-10-13"])
        .ok()
        .out;
    assert!(
        since.starts_with("Against 2026-10-05 to 2026-10-12: sent mail went from"),
        "{since}"
    );
}

/// A small site for 35 days until the 20th of October: 13 messages a day, four of them of one peer in one burst, which has TLS for 20 days and
/// none from the 6th on; or the other way round.
fn one_burst_a_day(off: bool) -> String {
    let mut lines = String::new();
    for date in 0..35 {
        for n in 0..13 {
            let good = || format!("good{n}.example");
            let (second, domain, tls) = match n {
                // The last of these shows shortly before the burst that we have TLS.
                0..4 => (8_000 + 9_000 * n, good(), true),
                4..8 => (36_000 + 2 * n, "burst.example".into(), (date < 20) == off),
                _ => (6_000 * n, good(), true),
            };
            // The first day is the 16th of September.
            let (month, day) = if date < 15 {
                ("09", date + 16)
            } else {
                ("10", date - 14)
            };
            let line = mail(day, second, 100 * date + n, &domain, tls);
            lines.push_str(&line.replace("2026-10-", &format!("2026-{month}-")));
        }
    }
    lines
}

#[test]
fn a_small_peer_that_writes_one_burst_a_day_is_missed_by_neither() {
    for (off, fell, has) in [
        (true, "fell", "it was switched off"),
        (false, "rose", "has more TLS than before"),
    ] {
        let sandbox = with(one_burst_a_day(off));
        let trend = report(&sandbox, &["trend"]).ok().out;
        let said = format!("Sent mail: the share over TLS {fell} on 2026-10-06");
        assert!(trend.starts_with(&said), "{trend}");
        let changes = report(&sandbox, &["changes", "--since", "2026-10-01"])
            .ok()
            .out;
        let words = changes.split_whitespace().collect::<Vec<_>>().join(" ");
        for expected in [
            format!("Sent: the share over TLS {fell} on 2026-10-06"),
            "burst.example carries most of it".into(),
            has.into(),
            "burst.example sent 2026-10-06".into(),
        ] {
            assert!(words.contains(&expected), "{expected}: {changes}");
        }
    }
}

#[test]
fn changes_as_people_see_them() {
    let sandbox = with(story(1..=20));
    insta::assert_snapshot!(report(&sandbox, &["changes", "--since", "2026-10-11"]).ok().out, @r#"
    Against 2026-10-01 to 2026-10-10: sent mail went from 77.3 % to 53.9 % over TLS.
    Period: since 2026-10-11 (days in UTC)

    peer            mail  points  by itself  by amount  % before  % now    of
    --------------  ----  ------  ---------  ---------  --------  -----  ----
    (all)           sent   -23.5      -23.9        0.4      77.3   53.9  1987
    large.example   sent   -24.2      -23.9       -0.3      92.5   10.5   598
    good1.example   sent    -0.3        0.0       -0.3     100.0  100.0    41
    clear4.example  sent    -0.2        0.0       -0.2       0.0    0.0    80
    good8.example   sent    -0.1        0.0       -0.1     100.0  100.0    45
    good2.example   sent    -0.1        0.0       -0.1     100.0  100.0    48
    good16.example  sent    -0.1        0.0       -0.1     100.0  100.0    49
    good13.example  sent    -0.1        0.0       -0.1     100.0  100.0    44
    good6.example   sent    -0.1        0.0       -0.1     100.0  100.0    50
    good19.example  sent    -0.1        0.0       -0.1     100.0  100.0    52
    good17.example  sent     0.1        0.0        0.1     100.0  100.0    47

    Who lost or won TLS:
    peer           mail  since       has              % before  % since   of
    -------------  ----  ----------  ---------------  --------  -------  ---
    large.example  sent  2026-10-07  no TLS any more     100.0      0.0  345

    Where it lies:
    of        mail  name                     points  messages before   now
    --------  ----  -----------------------  ------  ---------------  ----
    reason    sent  plaintext-cause-unknown   -23.5              453   917
    protocol  sent  TLSv1.3                   -23.5             1543  1070

    Sent: the share over TLS fell from 2026-10-07 on, most on 2026-10-11, until 2026-10-15: from 80.0 %
    to 51.1 %; large.example carries most of it, and has no TLS any more: it was switched off, or is
    stripped on the way. `tlsnag peer large.example` has the lines.

    The points of all peers add up to the change: "by itself" is what a peer did, "by amount" that more
    or less of the mail was its.
    "#);
}

#[test]
fn an_alert_tells_what_is_new_and_tells_it_once() {
    let sandbox = with(story(1..=11));
    let alert = ["changes", "--alert"];
    let first = report(&sandbox, &alert);
    assert_eq!(first.status, 1, "{}", first.err);
    assert!(first.out.contains("large.example"), "{}", first.out);
    let second = report(&sandbox, &alert);
    assert_eq!((second.status, second.out.as_str()), (0, ""));
    // The other ways to ask neither tell nor forget.
    report(&sandbox, &["changes"]).ok();
    assert_eq!(report(&sandbox, &alert).status, 0);
    // A copy of the store remembers for itself.
    sandbox.append("mail.log", story(12..=20));
    sandbox.run(&["import", "--quiet", "mail.log"]).ok();
    sandbox.run(&["store", "backup", "copy.db"]).ok();
    let worse = report(&sandbox, &alert);
    assert_eq!(worse.status, 1);
    assert!(
        worse.out.contains("large.example"),
        "it got worse: {}",
        worse.out
    );
    assert_eq!(report(&sandbox, &alert).status, 0);
    let copy = [
        "--store", "copy.db", "report", "changes", "--alert", "--format", "json",
    ];
    let copy = sandbox.run(&copy);
    assert_eq!(
        (copy.status, copy.json()["rows"][0]["item"].as_str()),
        (1, Some("change"))
    );
}

#[test]
fn an_alert_that_could_not_be_written_is_told_again_and_a_quiet_month_says_nothing() {
    let sandbox = with(story(1..=20));
    let lost = ["changes", "--alert", "-o", "nowhere/alert.txt"];
    report(&sandbox, &lost).fails_with(&["cannot write nowhere/alert.txt"]);
    assert_eq!(report(&sandbox, &["changes", "--alert"]).status, 1);
    let quiet = with((1..=30).map(|date| day(date, 100)).collect());
    let ran = report(&quiet, &["changes", "--alert"]);
    assert_eq!((ran.status, ran.out.as_str()), (0, ""), "{}", ran.err);
    report(&quiet, &["domains", "--alert"]).fails_with(&["--alert is for changes only", "domains"]);
    report(&quiet, &["changes", "--alert", "--all"]).fails_with(&["--since"]);
}

#[test]
fn a_peer_that_is_forgotten_is_not_remembered_as_told() {
    let sandbox = with(story(1..=20));
    assert_eq!(report(&sandbox, &["changes", "--alert"]).status, 1);
    sandbox.run(&["forget", "large.example"]).ok();
    let store = std::fs::read(sandbox.path("store.db")).expect("there is a store");
    let name = b"large.example";
    assert!(!store.windows(name.len()).any(|w| w == name));
}

#[test]
fn the_page_marks_the_days_of_a_change() {
    let sandbox = with(story(1..=20));
    let html = report(&sandbox, &["--format", "html"]).ok().out;
    for part in [
        "class=\"mark fall\"",
        "most on 2026-10-11",
        "When it changed",
    ] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn the_page_begins_with_the_news_and_folds_what_is_long_but_not_on_paper() {
    let page = |sandbox: &Sandbox| report(sandbox, &["--format", "html"]).ok().out;
    let html = page(&with(story(1..=20)));
    for part in [
        "<p class=\"headline news\">Sent: the share over TLS fell from 2026-10-07 on",
        // The mark has a number, which is explained where no mouse is needed.
        "text-anchor=\"middle\">1</text>",
        "<ol class=\"marks\">\n<li>sent mail: the share over TLS fell from 2026-10-07 on",
        // What the chart shows is a table too.
        "<tr><th scope=\"row\">2026-10-07</th><td class=\"n\">79.4</td></tr>",
        "<details><summary>By day</summary>",
        "<details><summary>The proof</summary>",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("<details open"));
    let (_, print) = html
        .split_once("@media print")
        .expect("there is a style for paper");
    for rule in [
        "::details-content { content-visibility: visible",
        ".wide { overflow: visible; }",
    ] {
        assert!(print.contains(rule), "{rule}");
    }
    let quiet = page(&with((1..=30).map(|date| day(date, 100)).collect()));
    assert!(quiet.contains("No change of what peers do was found in this period."));
}

/// An attempt that a failed handshake leaves deferred.
fn deferred(day: u64, n: u64) -> String {
    let at = format!("2026-10-{day:02}T12:{:02}:{:02}+00:00 mx", n % 60, n % 50);
    let pid = 500_000 + 100 * day + n;
    format!(
        "{at} postfix/smtp[{pid}]: SSL_connect error to mx.waits.example[192.0.2.9]:25: -1\n\
         {at} postfix/smtp[{pid}]: 5E{:06X}: to=<u@waits.example>, relay=mx.waits.example[192.0.2.9]:25, delay=1, delays=0/0/0.5/0.5, dsn=4.7.5, status=deferred (Cannot start TLS: handshake failure)\n",
        100 * day + n
    )
}

#[test]
fn mail_that_tls_holds_back_is_told_before_the_queue_is_full() {
    let log = (1..=20).map(|date| {
        let held = if date > 16 {
            (0..4).map(|n| deferred(date, n)).collect()
        } else {
            String::new()
        };
        day(date, 100) + &held
    });
    let sandbox = with(log.collect());
    let week = ["changes", "--since", "2026-10-14", "--alert"];
    let alert = report(&sandbox, &week);
    let said = "waits.example: since 2026-10-17 16 attempts left mail in the queue because of TLS, on the 16 days before none; nothing was delivered since, so mail builds up: it has waited for up to 4 days";
    let words = alert.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(alert.status == 1 && words.contains(said), "{}", alert.out);
    assert_eq!(report(&sandbox, &week).status, 0);
    let code = ["changes", "--since", "2026-10-14", "--exit-code"];
    assert_eq!(report(&sandbox, &code).status, 1);
}

#[test]
fn what_fails_as_it_always_did_and_what_comes_back_is_not_said_to_build_up() {
    // Once every other day, and the log begins in the middle of the period before; and mail that is bounced.
    let log = (1..=30).map(|date| {
        let bounce = |n| {
            let line = deferred(date, n).replace("waits", "bounces");
            line.replace("status=deferred", "status=bounced")
                .replace("dsn=4", "dsn=5")
        };
        let held = if date % 2 == 0 {
            deferred(date, 1)
        } else {
            String::new()
        };
        let back = if date > 20 {
            (0..3).map(bounce).collect()
        } else {
            String::new()
        };
        day(date, 100) + &held + &back
    });
    let sandbox = with(log.collect());
    let alert = report(&sandbox, &["changes", "--since", "2026-10-11", "--alert"]);
    assert_eq!((alert.status, alert.out.as_str()), (0, ""), "{}", alert.err);
}

/// A day with a large peer that rests on weekends, and has TLS until Sunday the 18th.
fn weekday(date: u64, rests: bool) -> String {
    let is_weekend = (date + 3) % 7 >= 5;
    let mut lines = String::new();
    for n in 0..if is_weekend { 30 } else { 200 } {
        let (domain, tls) = match n % 10 {
            0..3 if is_weekend && rests => continue,
            0..3 => ("large.example".to_string(), date < 19),
            3..8 => (format!("good{}.example", n % 20), true),
            _ => (format!("clear{}.example", n % 5), false),
        };
        lines.push_str(&mail(date, 400 * n, 1000 * date + n, &domain, tls));
    }
    lines
}

#[test]
fn a_break_on_a_monday_is_of_that_day_and_told_once_by_a_daily_alert() {
    for rests in [false, true] {
        let sandbox = Sandbox::new();
        let mut told = Vec::new();
        for date in 1..=30 {
            sandbox.append("mail.log", weekday(date, rests));
            if date < 17 {
                continue;
            }
            let now = format!("2026-10-{:02}T06:45:00Z", date + 1);
            let run = |args: &[&str]| sandbox.run_with(args, &[("TLSNAG_NOW", &now)]);
            run(&["import", "--quiet", "mail.log"]).ok();
            let alert = run(&["report", "changes", "--alert", "--format", "csv"]).out;
            told.extend(alert.lines().skip(1).map(|line| format!("{date}: {line}")));
        }
        let short: Vec<String> = told
            .iter()
            .map(|line| {
                let fields: Vec<&str> = line.split(',').collect();
                [fields[0], fields[2], fields[10], fields[11]].join(" ")
            })
            .collect();
        assert_eq!(
            short,
            [
                "19: change large.example fall 2026-10-19",
                "19: moved large.example switched-off 2026-10-19"
            ],
            "{told:#?}"
        );
    }
}

#[test]
fn all_days_of_a_peer_are_a_line_where_the_table_has_only_the_latest() {
    let sandbox = with(story(1..=20));
    let said = sandbox.run(&["peer", "large.example"]).out;
    let (_, rest) = said
        .split_once("Share over TLS:\n")
        .expect("there is a line");
    let (drawn, _) = rest.split_once("\n\n").expect("the table ends");
    insta::assert_snapshot!(drawn, @"
    mail  day by day            % first  lowest  last
    ----  --------------------  -------  ------  ----
    sent  ######%%%*=--_______    100.0     0.0   0.0
    ");
    let few = with(story(1..=9)).run(&["peer", "large.example"]).out;
    assert!(!few.contains("Share over TLS:"), "{few}");
}

#[test]
fn a_digest_comes_when_the_week_is_over_and_news_at_once() {
    let sandbox = Sandbox::new();
    let on = |day: u64| {
        sandbox.write("mail.log", story(1..=day - 1));
        let now = format!("2026-10-{day:02}T06:45:00+00:00");
        let args = ["--quiet", "audit", "mail.log", "--digest", "weekly"];
        sandbox.run_with(&args, &[("TLSNAG_NOW", &now)]).ok().out
    };
    let first = on(6);
    assert!(
        first.starts_with("The week in all: ") && first.contains("2026-09-28 to 2026-10-04"),
        "the first time comes at once: {first}"
    );
    assert_eq!(on(6), "", "and once");
    let news = on(12);
    let (news, digest) = news
        .split_once("\nThe week in all: ")
        .unwrap_or((&news, ""));
    assert!(news.starts_with("1 piece of news about TLS."), "{news}");
    insta::assert_snapshot!(digest, @r#"
    366 of 1400 messages crossed in clear; 6 things to act on.
    Period: 2026-10-05 to 2026-10-11 (days in UTC)

    mail  % over TLS  % before  encrypted  in clear  cannot tell  failed for TLS
    ----  ----------  --------  ---------  --------  -----------  --------------
    sent        73.7      79.4       1032       366            2               0

    What changed against the week before:
      - Sent: the share over TLS fell on 2026-10-07: from 80.0 % to 71.0 %; large.example carries most
        of it, and has TLS for part of its mail only: one of its servers, or one of its days. `tlsnag
        peer large.example` has the lines.

    Theirs or ours, to look into first:
      - to large.example, 77 times: in clear, and the log does not say why (proven by the log, last
        2026-10-11)
      - to clear1.example, 69 times: in clear, and the log does not say why (proven by the log, last
        2026-10-11)
      - to clear0.example, 60 times: in clear, and the log does not say why (proven by the log, last
        2026-10-11)
      - to clear3.example, 56 times: in clear, and the log does not say why (proven by the log, last
        2026-10-11)
      - to clear2.example, 52 times: in clear, and the log does not say why (proven by the log, last
        2026-10-11)
      - to clear4.example, 52 times: in clear, and the log does not say why (proven by the log, last
        2026-10-11)

    The log of postfix/smtp on mx does not always tell (it begins in mid-session, or has a hole): of 2
    messages sent the channel is not known.
    "#);
    assert_eq!(on(12), "", "what was told is no news");
    let digest = on(19);
    assert!(digest.contains("2026-10-12 to 2026-10-18"), "{digest}");
    // Two weeks off: one digest, of the latest.
    let late = on(27);
    assert!(
        late.contains("2026-10-19 to 2026-10-25") && late.matches("The week in all").count() == 1,
        "{late}"
    );
}

#[test]
fn a_digest_that_could_not_be_mailed_is_due_again() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = with(story(1..=12));
    let program = sandbox.write("sendmail", "#!/bin/sh\ncat >/dev/null; exit 75\n");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("ours");
    let config = format!("[campaign]\nsendmail = \"{}\"\n", program.display());
    sandbox.write("c.toml", config);
    let run = || {
        let args = [
            "--config",
            "c.toml",
            "--quiet",
            "audit",
            "mail.log",
            "--digest",
            "weekly",
            "--mail-to",
            "root",
        ];
        sandbox.run_with(&args, &[("TLSNAG_NOW", "2026-10-13T06:45:00+00:00")])
    };
    run().fails_with(&["the report to root was not taken"]);
    sandbox.write("sendmail", "#!/bin/sh\ncat >> taken\n");
    run().ok();
    let taken = std::fs::read_to_string(sandbox.path("taken")).expect("mail");
    let subjects: Vec<&str> = taken
        .lines()
        .filter(|l| l.starts_with("Subject: "))
        .collect();
    assert_eq!(subjects.len(), 2, "news and digest: {subjects:?}");
    assert!(subjects[1].starts_with("Subject: tlsnag: The week in all: "));
    run().ok();
    let again = std::fs::read_to_string(sandbox.path("taken")).expect("mail");
    assert_eq!(again.len(), taken.len(), "nothing is told twice");
}

#[test]
fn a_table_of_peers_draws_how_each_went_if_there_are_days_enough() {
    let sandbox = with(story(1..=20));
    let rows = |args: &[&str]| {
        let table = report(&sandbox, args).ok().out;
        let rows = table.lines().filter(|line| line.contains(".example "));
        rows.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(rows(&["plaintext", "--since", "2026-10-01"]), @r#"
    large.example   sent    577  49.4  ###%%*-_____  either  2026-10-20
    clear1.example  sent    168  99.4  ____________  either  2026-10-20
    clear2.example  sent    166  99.4  ____________  either  2026-10-20
    clear4.example  sent    155  99.4  ____________  either  2026-10-20
    clear3.example  sent    153  99.4  ____________  either  2026-10-20
    clear0.example  sent    151  96.2  ____________  either  2026-10-20
    "#);
    assert!(!rows(&["plaintext", "--since", "7d"]).contains('_'));
    let json = report(&sandbox, &["plaintext", "--format", "json"]).ok();
    assert!(!json.out.contains("___"), "programs have no use for it");
}

#[test]
fn a_digest_names_the_days_of_which_the_log_says_nothing() {
    let sandbox = Sandbox::new();
    let digest_of = |log: String, now: &str| {
        sandbox.write("mail.log", log);
        let args = ["--quiet", "audit", "mail.log", "--digest", "weekly"];
        sandbox.run_with(&args, &[("TLSNAG_NOW", now)]).ok().out
    };
    let (first, rest) = (story(1..=6), story(8..=10));
    let digest = digest_of(first + &rest, "2026-10-12T06:45:00+00:00");
    let mut paragraphs = digest.split("\n\n");
    let said = paragraphs.find(|said| said.starts_with("No record"));
    insta::assert_snapshot!(said.unwrap_or_default(), @"
    No record of mx on 2026-10-07, nor after 2026-10-10T22:08:19Z: what happened then is in none of
    these figures.
    ");
}

#[test]
fn one_refused_address_keeps_the_mail_from_no_other() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = with(story(1..=12));
    let refusing =
        "#!/bin/sh\ncase \"$*\" in *gone@*) cat >/dev/null; exit 67;; esac\ncat >> taken\n";
    let program = sandbox.write("sendmail", refusing);
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("ours");
    let config = format!("[campaign]\nsendmail = \"{}\"\n", program.display());
    sandbox.write("c.toml", config);
    let run = |to: &[&str]| {
        let start = ["--config", "c.toml", "--quiet", "audit", "mail.log"];
        let args = [&start[..], &["--digest", "weekly"], to].concat();
        sandbox.run_with(&args, &[("TLSNAG_NOW", "2026-10-13T06:45:00+00:00")])
    };
    let both = ["--mail-to", "gone@example.org", "--mail-to", "root"];
    run(&both).fails_with(&["the report to gone@example.org was not taken"]);
    let taken = || std::fs::read_to_string(sandbox.path("taken")).expect("mail");
    let subjects = taken().matches("\nSubject: ").count();
    assert_eq!(subjects, 2, "news and digest");
    run(&both).ok();
    assert_eq!(taken().matches("\nSubject: ").count(), 2, "told is told");
}

/// An attempt that ends in a failed handshake, and leaves the mail in the queue.
fn failure(day: u64, domain: &str) -> String {
    let at = format!("2026-10-{day:02}T23:00:00+00:00 mx postfix/smtp[99]");
    let relay = format!("mx.{domain}[192.0.2.9]:25");
    format!(
        "{at}: SSL_connect error to {relay}: -1\n\
         {at}: warning: TLS library problem: error:0A000102:SSL routines::unsupported protocol:ssl/statem/statem_lib.c:1986:\n\
         {at}: 5F{day:06X}: to=<u@{domain}>, relay={relay}, delay=1, delays=0/0/1/0, dsn=4.7.5, status=deferred (Cannot start TLS: handshake failure)\n"
    )
}

#[test]
fn failures_draw_how_the_peer_went_and_a_picture_gives_way_to_a_long_name() {
    let of = |domain: &str| {
        let days = (1..=20).map(|day| {
            // With TLS shortly before, or silence would not say that mail went in clear.
            let other = mail(day, 84_900, 50 + day, "good.example", true);
            match day {
                ..=14 => other + &mail(day, 85_000, day, domain, true),
                _ => failure(day, domain) + &other + &mail(day, 85_000, day, domain, false),
            }
        });
        let sandbox = with(days.collect());
        let table = report(&sandbox, &["failures"]).ok().out;
        let (_, table) = table.split_once("\n\n").expect("a table");
        let (table, _) = table.split_once("\n\n").expect("and what to do");
        table.to_string()
    };
    insta::assert_snapshot!(of("tired.example"), @"
    peer           mail  tries  no mail  TLS by day    fault   last
    -------------  ----  -----  -------  ------------  ------  ----------
    tired.example  sent      6        6      #####___  either  2026-10-20
        mx.tired.example; the TLS handshake fails: only TLS versions were offered that are too old for
        the other side's settings; certain
    ");
    insta::assert_snapshot!(of("a-name-so-long-that-there-is-hardly-any-room.example"), @"
    peer                                                  mail  tries  no mail  fault   last
    ----------------------------------------------------  ----  -----  -------  ------  ----------
    a-name-so-long-that-there-is-hardly-any-room.example  sent      6        6  either  2026-10-20
        mx.a-name-so-long-that-there-is-hardly-any-room.example; the TLS handshake fails: only TLS
        versions were offered that are too old for the other side's settings; certain
    ");
}

#[test]
fn what_too_few_occasions_show_is_not_called_steady() {
    // One message a day to a peer that had TLS for four days and has none since: half of the mail.
    let tls = |day: u32| delivery("good.example", "mx.good.example", day, true);
    let log: String = (1..=8)
        .map(|day| tls(day) + &delivery("fell.example", "mx.fell.example", day, day <= 4))
        .collect();
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", log);
    sandbox.run(&["import", "--quiet", "mail.log"]).ok();
    let headline = |args: &[&str]| {
        let out = sandbox.run(args).ok().out;
        out.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let trend = headline(&["report", "trend"]);
    let changes = headline(&[
        "report",
        "changes",
        "--since",
        "2026-11-05",
        "--until",
        "2026-11-08",
    ]);
    for said in [trend, changes] {
        assert!(!said.contains("steady"), "{said}");
    }
}
