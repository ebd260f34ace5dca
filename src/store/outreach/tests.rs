//! Drafts, letters that leave once, and what stays of both.

use super::sending::THANKS;
use super::*;

fn draft(token: &str, organisation: &str) -> Draft {
    Draft {
        token: token.into(),
        direction: Direction::Outbound,
        organisation: organisation.into(),
        problem: "not-offered".into(),
        audience: Audience::Postmaster,
        daily: 1.5,
        peers: vec![(format!("mail.{organisation}"), format!("mx.{organisation}"))],
        asked: None,
        letter: Some(DraftLetter {
            kind: "notice".into(),
            address: format!("postmaster@mail.{organisation}"),
            subject: "s".into(),
            body: "b\n".into(),
            message_id: format!("<{token}@us.example>"),
        }),
    }
}

fn store() -> Store {
    let mut store = Store::in_memory().unwrap();
    let drafts = [draft("AA", "a.example"), draft("BB", "b.example")];
    store.replace_drafts("p1", &drafts, 100).unwrap();
    store
}

fn leaves(store: &mut Store, notice: &Notice, now: i64) -> bool {
    store.begin_sending(notice, now, 30).unwrap() == Release::Now
}

#[test]
fn planning_anew_replaces_what_was_not_sent() {
    let mut store = store();
    let first = store.notices().unwrap().remove(0);
    assert!(leaves(&mut store, &first, 200));
    store
        .end_sending(&first, Progress::Sent, "250 ok", 201)
        .unwrap();
    store
        .replace_drafts("p2", &[draft("CC", "c.example")], 300)
        .unwrap();
    let cases = store.cases().unwrap();
    let found: Vec<_> = cases
        .iter()
        .map(|c| (c.token.as_str(), c.state.name(), c.notices.len()))
        .collect();
    assert_eq!(found, [("AA", "sent", 1), ("CC", "planned", 1)]);
    let what: Vec<String> = store
        .outreach_events()
        .unwrap()
        .into_iter()
        .map(|e| e.what)
        .collect();
    assert_eq!(what, ["planned", "sent", "planned"]);
}

#[test]
fn a_letter_goes_out_once() {
    let mut store = store();
    let notice = store.notices().unwrap().remove(0);
    assert!(leaves(&mut store, &notice, 200));
    assert!(!leaves(&mut store, &notice, 200));
    for progress in [Progress::Sent, Progress::Refused, Progress::Unclear] {
        store.end_sending(&notice, progress, "", 201).unwrap();
        assert!(!leaves(&mut store, &notice, 202), "{progress:?}");
    }
    // refused for now
    store
        .end_sending(&notice, Progress::Draft, "450 later", 203)
        .unwrap();
    assert!(leaves(&mut store, &notice, 204));
}

#[test]
fn a_letter_on_its_way_when_a_run_died_keeps_its_case() {
    let mut store = store();
    let notice = store.notices().unwrap().remove(0);
    assert!(leaves(&mut store, &notice, 200));
    for plan in ["p2", "p3"] {
        store
            .replace_drafts(plan, &[draft("CC", "c.example")], 300)
            .unwrap();
    }
    let cases = store.cases().unwrap();
    let found: Vec<_> = cases
        .iter()
        .map(|c| (c.token.as_str(), c.state, c.notices.len()))
        .collect();
    assert_eq!(found, [("AA", State::Sent, 1), ("CC", State::Planned, 1)]);
    assert_eq!(cases[0].notices[0].progress, Progress::Sending);
}

/// What is on its way is no draft, and is one again if it is refused for now: the case has ended all the same.
#[test]
fn a_letter_that_was_on_its_way_when_its_case_ended_is_not_tried_again() {
    let ends = [
        State::Declined,
        State::Exempt,
        State::Answered,
        State::NotTheirs,
        State::WillFix,
    ];
    for end in ends {
        for progress in [Progress::Draft, Progress::Sent] {
            let mut store = store();
            let notice = store.notices().unwrap().remove(0);
            assert!(leaves(&mut store, &notice, 200));
            store.move_case(notice.case, end, 201, "").unwrap();
            store.end_sending(&notice, progress, "", 202).unwrap();
            assert_eq!(store.cases().unwrap()[0].state, end);
            let again = store.begin_sending(&notice, 90_000, 30).unwrap();
            assert_eq!(again, Release::No, "{end:?} {progress:?}");
        }
    }
}

/// No plan of today writes to them; those of earlier versions did.
#[test]
fn who_was_left_alone_and_is_written_to_after_all_has_a_recipient_and_an_end() {
    let mut store = Store::in_memory().unwrap();
    let alone = Draft {
        letter: None,
        ..draft("AA", "a.example")
    };
    store.replace_drafts("p1", &[alone], 100).unwrap();
    store
        .replace_drafts("p2", &[draft("AA", "a.example")], 150)
        .unwrap();
    let stands = |store: &Store| {
        let case = store.cases().unwrap().remove(0);
        (case.state, case.address)
    };
    let address = "postmaster@mail.a.example".to_string();
    let notice = store.notices().unwrap().remove(0);
    assert_eq!(stands(&store), (State::Control, address.clone()));
    assert!(leaves(&mut store, &notice, 200));
    assert_eq!(stands(&store), (State::Sent, address.clone()));
    store
        .end_sending(&notice, Progress::Draft, "450 later", 201)
        .unwrap();
    assert_eq!(stands(&store), (State::Control, address.clone()));
    assert!(leaves(&mut store, &notice, 300));
    store
        .end_sending(&notice, Progress::Sent, "250 ok", 301)
        .unwrap();
    assert_eq!(stands(&store), (State::Sent, address));
}

#[test]
fn what_was_refused_for_now_is_planned_as_before() {
    let mut store = store();
    let notice = store.notices().unwrap().remove(0);
    assert!(leaves(&mut store, &notice, 200));
    store
        .end_sending(&notice, Progress::Draft, "450 later", 201)
        .unwrap();
    assert_eq!(store.cases().unwrap()[0].state, State::Planned);
}

/// Numbers come round again: what a run has in its hands may be gone, and another letter have its number.
#[test]
fn a_letter_that_was_planned_anew_meanwhile_does_not_go_out_in_its_old_form() {
    let mut store = store();
    let old = store.notices().unwrap();
    store
        .replace_drafts(
            "p2",
            &[draft("CC", "c.example"), draft("DD", "d.example")],
            300,
        )
        .unwrap();
    let new = store.notices().unwrap();
    assert_eq!(
        old.iter().map(|n| n.id).collect::<Vec<_>>(),
        new.iter().map(|n| n.id).collect::<Vec<_>>(),
        "the numbers are the same"
    );
    assert!(!leaves(&mut store, &old[0], 400));
    assert!(leaves(&mut store, &new[0], 400));
}

#[test]
fn a_thank_you_ends_the_case_even_if_it_was_refused_or_the_run_died() {
    let thanks = |progress: Option<Progress>| {
        let mut store = store();
        let case = store.cases().unwrap().remove(0);
        store.move_case(case.id, State::Fixed, 150, "").unwrap();
        let mut thanks = draft("AA", "a.example");
        if let Some(letter) = &mut thanks.letter {
            letter.kind = THANKS.into();
        }
        store.add_drafts("thanks", &[thanks], 160).unwrap();
        let notices = store.cases().unwrap().remove(0).notices;
        let notice = notices.iter().find(|n| n.kind == THANKS).unwrap();
        assert!(leaves(&mut store, notice, 170));
        if let Some(progress) = progress {
            store.end_sending(notice, progress, "", 171).unwrap();
        }
        store.cases().unwrap()[0].state
    };
    assert_eq!(thanks(None), State::Thanked);
    assert_eq!(thanks(Some(Progress::Sent)), State::Thanked);
    assert_eq!(thanks(Some(Progress::Refused)), State::Thanked);
    assert_eq!(thanks(Some(Progress::Draft)), State::Fixed);
}

#[test]
fn nobody_is_written_to_who_does_not_want_it() {
    for name in [
        "postmaster@mail.a.example",
        "Postmaster@Mail.A.Example",
        "mail.a.example",
        "mx.a.example",
        "a.example",
    ] {
        let mut store = store();
        assert!(store.suppress(name, "opt-out", 150).unwrap());
        assert!(!store.suppress(name, "again", 160).unwrap());
        let notices = store.notices().unwrap();
        assert!(!leaves(&mut store, &notices[0], 200), "{name}");
        assert!(leaves(&mut store, &notices[1], 200), "{name}");
        assert!(store.unsuppress(name).unwrap());
        assert!(leaves(&mut store, &notices[0], 200), "{name}");
    }
}

#[test]
fn a_name_that_is_suppressed_stands_for_itself() {
    for name in [
        "mail._.example",
        "%.example",
        "il.a.example",
        "example",
        "%",
    ] {
        let mut store = store();
        store.suppress(name, "by hand", 150).unwrap();
        let notice = store.notices().unwrap().remove(0);
        assert!(leaves(&mut store, &notice, 200), "{name}");
    }
}

/// A store with one letter to a correspondent.
fn store_of_people(body: &str) -> (Store, Draft) {
    let mut store = Store::in_memory().unwrap();
    let mut draft = draft("AA", "a.example");
    draft.audience = Audience::Correspondents;
    if let Some(letter) = &mut draft.letter {
        letter.address = "bob@a.example".into();
        letter.body = body.into();
    }
    store
        .replace_drafts("p1", std::slice::from_ref(&draft), 100)
        .unwrap();
    (store, draft)
}

#[test]
fn a_letter_to_a_correspondent_waits_until_it_is_approved() {
    let (mut store, _) = store_of_people("b\n");
    let notice = store.notices().unwrap().remove(0);
    assert!(!leaves(&mut store, &notice, 200));
    assert!(store.approve(notice.id, 201).unwrap());
    assert!(store.approve(notice.id, 0).unwrap());
    assert!(!leaves(&mut store, &notice, 202), "taken back");
    store.approve(notice.id, 203).unwrap();
    store.suppress("bob@a.example", "opt-out", 204).unwrap();
    assert!(!leaves(&mut store, &notice, 205), "suppressed");
    store.unsuppress("bob@a.example").unwrap();
    assert!(leaves(&mut store, &notice, 206));
    assert!(!store.approve(notice.id, 207).unwrap(), "it is under way");
}

#[test]
fn several_people_of_one_organisation_are_one_matter() {
    let mut store = Store::in_memory().unwrap();
    let to = |token: &str, organisation: &str| {
        let mut draft = draft(token, organisation);
        draft.audience = Audience::Correspondents;
        if let Some(letter) = &mut draft.letter {
            letter.address = format!("{token}@{organisation}");
        }
        draft
    };
    let mut send = |drafts: &[Draft], at| {
        store.replace_drafts("p", drafts, at).unwrap();
        for notice in store.notices().unwrap() {
            if notice.progress == Progress::Draft {
                store.approve(notice.id, at).unwrap();
                assert!(leaves(&mut store, &notice, at));
                store.end_sending(&notice, Progress::Sent, "", at).unwrap();
            }
        }
        store.cases().unwrap()
    };
    let first = [
        to("AA", "a.example"),
        to("AB", "a.example"),
        to("BB", "b.example"),
    ];
    let cases = send(&first, 100);
    let repeated = |cases: &[Case]| -> Vec<String> {
        let again = cases.iter().filter(|case| case.repeats(cases));
        again.map(|case| case.token.clone()).collect()
    };
    assert_eq!(repeated(&cases), ["AB"]);
    for case in &cases {
        store.move_case(case.id, State::Relapsed, 200, "").unwrap();
    }
    // What comes back is another matter.
    store
        .replace_drafts("p", &[to("AC", "a.example")], 300)
        .unwrap();
    let cases = store.cases().unwrap();
    assert_eq!(repeated(&cases), ["AB"]);
}

#[test]
fn an_approval_is_for_one_letter_as_it_was_read() {
    let approved_after = |change: fn(&mut DraftLetter)| {
        let (mut store, mut draft) = store_of_people("b\n");
        let notice = store.notices().unwrap().remove(0);
        store.approve(notice.id, 150).unwrap();
        draft.letter.iter_mut().for_each(change);
        store.replace_drafts("p2", &[draft], 300).unwrap();
        store.notices().unwrap()[0].approved
    };
    assert_eq!(approved_after(|_| {}), 150);
    assert_eq!(approved_after(|l| l.body = "c\n".into()), 0);
    assert_eq!(approved_after(|l| l.subject = "t".into()), 0);
    assert_eq!(approved_after(|l| l.address = "ann@a.example".into()), 0);
}

#[test]
fn every_state_has_its_word() {
    for (state, word, _) in STATES {
        assert_eq!(State::from_name(word), Some(*state));
    }
}

#[test]
fn no_letter_leaves_while_whoever_reads_it_has_read_another_lately() {
    const DAY: i64 = 86_400;
    let released = |change: fn(&mut Draft), day: i64| {
        let mut store = Store::in_memory().unwrap();
        let mut second = draft("BB", "b.example");
        change(&mut second);
        let drafts = [draft("AA", "a.example"), second];
        store.replace_drafts("p1", &drafts, 100).unwrap();
        let notices = store.notices().unwrap();
        assert!(leaves(&mut store, &notices[0], 10 * DAY + 600));
        store
            .end_sending(&notices[0], Progress::Sent, "", 10 * DAY + 601)
            .unwrap();
        store.begin_sending(&notices[1], day * DAY, 30).unwrap()
    };
    let address = |draft: &mut Draft| {
        if let Some(letter) = &mut draft.letter {
            letter.address = "Postmaster@Mail.a.example".into();
        }
    };
    let domain = |draft: &mut Draft| {
        draft.peers = vec![("mail.a.example".into(), "mx.b.example".into())];
    };
    let organisation = |draft: &mut Draft| draft.organisation = "a.example".into();
    for change in [address, domain, organisation] {
        assert_eq!(released(change, 10), Release::TooSoon);
        assert_eq!(released(change, 39), Release::TooSoon);
        assert_eq!(released(change, 40), Release::Now);
    }
    assert_eq!(released(|_| {}, 10), Release::Now);
    let thanks = |draft: &mut Draft| {
        draft.organisation = "a.example".into();
        if let Some(letter) = &mut draft.letter {
            letter.kind = THANKS.into();
        }
    };
    assert_eq!(released(thanks, 10), Release::Now);
}

#[test]
fn a_domain_that_is_forgotten_leaves_the_case_of_the_others() {
    let mut store = Store::in_memory().unwrap();
    let mut of_three = draft("AA", "host.example");
    of_three.peers = ["c1.example", "c2.example", "c3.example"]
        .map(|domain| (domain.to_string(), "mx.host.example".to_string()))
        .to_vec();
    if let Some(letter) = &mut of_three.letter {
        letter.body = "mail to c1.example, c2.example, c3.example".into();
    }
    store.replace_drafts("p1", &[of_three], 100).unwrap();
    let notice = store.notices().unwrap().remove(0);
    assert!(leaves(&mut store, &notice, 200));
    store.end_sending(&notice, Progress::Sent, "", 201).unwrap();
    assert_eq!(forget_cases(&store.connection, "c3.example").unwrap(), 1);
    let case = store.cases().unwrap().remove(0);
    assert_eq!((case.state, case.peers.len()), (State::Sent, 2));
    assert!(case.was_written() && case.notices[0].body.is_empty());
    for name in ["c1.example", "c2.example"] {
        forget_cases(&store.connection, name).unwrap();
    }
    assert!(store.cases().unwrap().is_empty());
    assert!(store.notices().unwrap().is_empty());
}
