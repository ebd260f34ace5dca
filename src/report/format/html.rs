//! One HTML file: no script, no request, nothing outside the file. The markup is in `templates/html`, and an operator's own
//! templates may take the place of any of them.
//!
//! Every value goes through the template engine's escape. The policy in the page's head forbids all that an escape could have missed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use handlebars::Handlebars;
use serde::Serialize;

use crate::query::Scope;

use super::super::chart::{Drawn, DrawnSpark};
use super::super::page::{Page, Part, Tile};
use super::super::table::{Column, Kind, Note, Section, Value};
use super::escape::visible;
use super::text::cell;
use super::{period_in_words, titled};

/// The templates, by name. `page` is the whole; the others are its parts.
const TEMPLATES: &[(&str, &str)] = &[
    ("page", include_str!("../../../templates/html/page.hbs")),
    ("part", include_str!("../../../templates/html/part.hbs")),
    ("notes", include_str!("../../../templates/html/notes.hbs")),
    ("chart", include_str!("../../../templates/html/chart.hbs")),
    ("spark", include_str!("../../../templates/html/spark.hbs")),
    ("style", include_str!("../../../templates/html/style.hbs")),
];

/// The templates of the pages, ready for use.
pub struct Templates(Handlebars<'static>);

/// What is wrong with a template.
#[derive(Debug)]
pub struct TemplateError(String);

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TemplateError {}

/// The names of all templates: `NAME.hbs` in an operator's directory takes the place of one.
pub fn template_names() -> impl Iterator<Item = &'static str> {
    TEMPLATES.iter().map(|(name, _)| *name)
}

impl Templates {
    /// The built-in ones, with those of `own` in their places. Fails if one of these is not a template.
    pub fn new(own: &BTreeMap<String, String>) -> Result<Templates, TemplateError> {
        let mut engine = Handlebars::new();
        engine.set_strict_mode(true);
        for (name, built_in) in TEMPLATES {
            let text = own.get(*name).map_or(*built_in, String::as_str);
            engine
                .register_template_string(name, text)
                .map_err(|error| TemplateError(format!("the template {name}.hbs: {error}")))?;
        }
        Ok(Templates(engine))
    }

    /// Writes a page down. Fails if an operator's own template asks for what there is not.
    pub fn render(&self, page: &Page, scope: &Scope) -> Result<String, TemplateError> {
        self.0
            .render("page", &view(page, scope))
            .map_err(|error| TemplateError(format!("the templates of pages: {error}")))
    }
}

#[derive(Serialize)]
struct PageView<'p> {
    title: &'p str,
    period: String,
    headline: String,
    news: String,
    tiles: Vec<TileView>,
    chart: Option<Drawn>,
    contents: Vec<Link>,
    parts: Vec<PartView>,
    version: &'static str,
}

#[derive(Serialize)]
struct TileView {
    label: &'static str,
    value: String,
    remark: String,
}

#[derive(Serialize)]
struct Link {
    id: String,
    title: String,
}

#[derive(Serialize)]
struct PartView {
    id: String,
    title: String,
    is_peer: bool,
    headline: String,
    sections: Vec<SectionView>,
    notes: Vec<NoteView>,
    proof: Vec<NoteView>,
}

#[derive(Serialize)]
struct SectionView {
    title: String,
    /// Shown to who asks for it: a page with all days of all peers is too long to be read.
    folded: bool,
    columns: Vec<Heading>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Heading {
    title: &'static str,
    class: &'static str,
}

#[derive(Serialize)]
struct Row {
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    label: &'static str,
    class: &'static str,
    text: String,
    link: Option<String>,
    spark: Option<DrawnSpark>,
}

/// One block: only one of the three is filled.
#[derive(Default, Serialize)]
struct NoteView {
    paragraph: String,
    items: Vec<String>,
    lines: Vec<String>,
}

fn view<'p>(page: &'p Page, scope: &Scope) -> PageView<'p> {
    let places: BTreeMap<&str, String> = page
        .parts
        .iter()
        .enumerate()
        .filter_map(|(at, part)| Some((part.peer.as_deref()?, id(at))))
        .collect();
    let link = |(at, part): (usize, &Part)| Link {
        id: id(at),
        title: visible(&part.title),
    };
    let contents = page.parts.iter().enumerate().map(link);
    PageView {
        title: &page.title,
        period: period_in_words(scope),
        headline: visible(&page.headline),
        news: visible(&page.news),
        tiles: page.tiles.iter().map(tile).collect(),
        chart: page.chart.as_ref().map(|chart| chart.draw()),
        contents: contents.filter(|link| !link.title.is_empty()).collect(),
        parts: page
            .parts
            .iter()
            .enumerate()
            .map(|(at, part)| part_view(id(at), part, &places))
            .collect(),
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// A place on the page. Names of peers are no part of it.
fn id(at: usize) -> String {
    format!("part-{at}")
}

fn tile(tile: &Tile) -> TileView {
    TileView {
        label: tile.label,
        value: tile.value.clone(),
        remark: tile.remark.clone(),
    }
}

fn part_view(id: String, part: &Part, places: &BTreeMap<&str, String>) -> PartView {
    let sections = part.table.sections.iter().enumerate();
    let shown = sections.filter(|(_, s)| !s.rows.is_empty() && !titled(s).is_empty());
    PartView {
        id,
        title: visible(&part.title),
        is_peer: part.peer.is_some(),
        headline: visible(&part.table.headline),
        sections: shown
            .map(|(at, section)| section_view(section, part, at == 0, places))
            .collect(),
        notes: blocks(&part.table.notes),
        proof: blocks(&part.proof),
    }
}

fn section_view(
    section: &Section,
    part: &Part,
    is_first: bool,
    places: &BTreeMap<&str, String>,
) -> SectionView {
    let mut columns = titled(section);
    columns.retain(|(_, column)| column.kind != Kind::Picture);
    let sparks = if is_first {
        part.sparks.as_slice()
    } else {
        &[]
    };
    let mut headings: Vec<Heading> = columns.iter().map(|(_, c)| heading(c)).collect();
    if !sparks.is_empty() {
        headings.push(SPARK);
    }
    let row = |(at, row): (usize, Cow<'_, [Value]>)| {
        let mut cells: Vec<Cell> = columns
            .iter()
            .filter_map(|(place, column)| Some((row.get(*place)?, column)))
            .map(|(value, column)| {
                let text = cell(value);
                let link = places.get(text.as_str()).cloned();
                let own = part.peer.as_deref() == Some(text.as_str());
                text_cell(heading(column), visible(&text), link.filter(|_| !own))
            })
            .collect();
        cells.extend(sparks.get(at).map(|spark| Cell {
            spark: (!spark.counts.is_empty()).then(|| spark.draw()),
            ..text_cell(SPARK, String::new(), None)
        }));
        Row { cells }
    };
    let is_of_days = columns.first().is_some_and(|(_, c)| c.title == "day");
    SectionView {
        title: visible(section.title),
        folded: part.peer.is_some() && is_of_days,
        columns: headings,
        rows: section.rows.iter().enumerate().map(row).collect(),
    }
}

const SPARK: Heading = Heading {
    title: "by day",
    class: "t",
};

fn heading(column: &Column) -> Heading {
    Heading {
        title: column.title,
        class: match column.kind {
            Kind::Number => "n",
            Kind::Date => "d",
            Kind::Text | Kind::Picture | Kind::Detail => "t",
        },
    }
}

fn text_cell(heading: Heading, text: String, link: Option<String>) -> Cell {
    Cell {
        label: heading.title,
        class: heading.class,
        text,
        link,
        spark: None,
    }
}

/// Items that follow each other are one list, and lines one block.
fn blocks(notes: &[Note]) -> Vec<NoteView> {
    let mut blocks: Vec<NoteView> = Vec::new();
    for note in notes {
        match (note, blocks.last_mut()) {
            (Note::Item(text), Some(block)) if !block.items.is_empty() => {
                block.items.push(visible(text));
            }
            (Note::Line(text), Some(block)) if !block.lines.is_empty() => {
                block.lines.push(visible(text));
            }
            (note, _) => blocks.push(block(note)),
        }
    }
    blocks
}

fn block(note: &Note) -> NoteView {
    let mut block = NoteView::default();
    match note {
        Note::Paragraph(text) => block.paragraph = visible(text),
        Note::Item(text) => block.items.push(visible(text)),
        Note::Line(text) => block.lines.push(visible(text)),
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::{Table, Value};

    const COLUMNS: &[Column] = &[Column::both("peer", "peer", Kind::Text)];
    const NAME: &str = "<img src=x onerror=alert(1)>\u{202e}";

    fn page() -> Page {
        let table = Table {
            headline: NAME.into(),
            sections: vec![Section {
                title: "",
                columns: COLUMNS,
                rows: vec![vec![Value::text(NAME)]].into(),
            }],
            notes: vec![Note::Line("</pre><script>alert(1)</script>".into())],
            to_do: 1,
        };
        let mut page = Page::of("t", &table);
        page.parts[0].peer = Some(NAME.into());
        page.parts[0].title = NAME.into();
        page
    }

    fn render(own: &[(&str, &str)]) -> Result<String, TemplateError> {
        let own = own.iter().map(|(n, t)| (n.to_string(), t.to_string()));
        Templates::new(&own.collect())?.render(&page(), &Scope::ALL)
    }

    #[test]
    fn what_a_stranger_chose_stays_text() {
        let html = render(&[]).unwrap();
        for tag in ["<img", "<script", "</pre><", "\u{202e}"] {
            assert!(!html.contains(tag), "{tag}");
        }
        assert!(
            html.contains("&lt;img src=x onerror=alert(1)&gt;\\u{202e}")
                || html.contains("&lt;img src&#x3D;x onerror&#x3D;alert(1)&gt;\\u{202e}"),
            "{html}"
        );
    }

    #[test]
    fn an_own_template_takes_the_place_of_a_built_in_one_and_a_wrong_one_is_named() {
        assert!(
            render(&[("style", "body { color: red }")])
                .unwrap()
                .contains("color: red")
        );
        let wrong = render(&[("part", "{{#if}")]).unwrap_err().to_string();
        assert!(wrong.contains("part.hbs"), "{wrong}");
        let missing = render(&[("part", "{{no_such_value}}")])
            .unwrap_err()
            .to_string();
        assert!(missing.contains("no_such_value"), "{missing}");
    }
}
