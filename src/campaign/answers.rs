//! Answers to what is often said against it, to be sent by hand: nobody is convinced by a robot.

/// Word, what was said, language, text.
const ANSWERS: &[(&str, &str, &str, &str)] = &[
    (
        "spam",
        "TLS is no help against spam",
        "en",
        include_str!("../../templates/answers/en/spam.txt"),
    ),
    (
        "spam",
        "TLS is no help against spam",
        "de",
        include_str!("../../templates/answers/de/spam.txt"),
    ),
    (
        "cost",
        "it costs too much",
        "en",
        include_str!("../../templates/answers/en/cost.txt"),
    ),
    (
        "cost",
        "it costs too much",
        "de",
        include_str!("../../templates/answers/de/cost.txt"),
    ),
    (
        "provider",
        "my provider does not do it",
        "en",
        include_str!("../../templates/answers/en/provider.txt"),
    ),
    (
        "provider",
        "my provider does not do it",
        "de",
        include_str!("../../templates/answers/de/provider.txt"),
    ),
    (
        "port-465",
        "use port 465",
        "en",
        include_str!("../../templates/answers/en/port-465.txt"),
    ),
    (
        "port-465",
        "use port 465",
        "de",
        include_str!("../../templates/answers/de/port-465.txt"),
    ),
    (
        "insufficient",
        "TLS is not enough anyway",
        "en",
        include_str!("../../templates/answers/en/insufficient.txt"),
    ),
    (
        "insufficient",
        "TLS is not enough anyway",
        "de",
        include_str!("../../templates/answers/de/insufficient.txt"),
    ),
];

/// All objections: word, and what was said.
pub fn objections() -> impl Iterator<Item = (&'static str, &'static str)> {
    ANSWERS.iter().filter(|a| a.2 == "en").map(|a| (a.0, a.1))
}

/// The answer to an objection, in this language if there is one in it, else in English; in lines of 72 columns.
pub fn answer(word: &str, language: &str) -> Option<String> {
    let of = |language: &str| ANSWERS.iter().find(|a| a.0 == word && a.2 == language);
    let (.., text) = of(language).or_else(|| of("en"))?;
    Some(super::letter::text::wrap(text, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_objection_has_an_answer_in_both_languages() {
        for (word, _) in objections() {
            let (english, german) = (answer(word, "en").unwrap(), answer(word, "de").unwrap());
            assert!(
                english != german
                    && english
                        .lines()
                        .chain(german.lines())
                        .all(|l| l.chars().count() <= 72)
            );
            assert_eq!(answer(word, "fr").unwrap(), english);
        }
        assert_eq!(objections().count(), 5);
        assert_eq!(answer("else", "en"), None);
    }
}
